/** Signing in by way of a provider, in a real browser: link the account, leave, and come in by it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { browserOrSkip } from '../fakes/browser.ts'
import { signInWith, startProvider } from '../fakes/provider.ts'
import { runtime } from '../harness.ts'
import { ownersPage, watch } from './kit.ts'

it('[console.elsewhere] a stranger is told to link first; whoever has linked comes in with one click', async (ctx) => {
  await using browser = await browserOrSkip(ctx)
  const dir = mkdtempSync(join(tmpdir(), 'agentruntime-elsewhere-'))
  await using provider = await startProvider({ rotate: 'never' })
  const { id: client_id, secret: client_secret } = provider.client
  writeFileSync(join(dir, 'providers'), JSON.stringify({ acme: { title: 'Acme', issuer: provider.issuer, client_id, client_secret } }))
  try {
    await using rt = await runtime({ allowPrivate: [provider.url], flags: ['--sign-in-file', join(dir, 'providers')] })
    provider.allowRedirect(`${rt.url}/v1/auth/callback`)
    const page = await ownersPage(browser, rt)
    const { wrong } = watch(page, [401])
    await page.goto(`${rt.url}/settings?tab=account`)
    await page.getByRole('button', { name: 'Link Acme' }).click()
    await signInWith(page, { account: 'elsewhere' })
    await page.waitForURL(`${rt.url}/settings?tab=account`)
    await page.getByText('elsewhere@example.com').waitFor()
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
    await page.waitForURL(/\/login/)
    // The provider knows the browser and the consent, so it shows nothing.
    await page.getByRole('button', { name: 'Sign in with Acme' }).click()
    await page.waitForURL(`${rt.url}/`)
    await page.getByRole('navigation').first().waitFor()
    expect(wrong).toEqual([])

    const stranger = await browser.stranger()
    await stranger.goto(`${rt.url}/login`)
    await stranger.getByRole('button', { name: 'Sign in with Acme' }).click()
    await signInWith(stranger, { account: 'owner' })
    await stranger.getByRole('alert').getByText('Nobody here has linked this account').waitFor()
    // And who forgot the password is told what a stranger is told.
    await stranger.getByRole('link', { name: 'Forgot your password?' }).click()
    // Both pages ask for an address.
    await stranger.getByRole('heading', { name: 'Forgot your password?' }).waitFor()
    await stranger.getByLabel('E-mail').fill('nobody@example.com')
    await stranger.keyboard.press('Enter')
    await stranger.getByRole('heading', { name: 'Look into your mail' }).waitFor()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
