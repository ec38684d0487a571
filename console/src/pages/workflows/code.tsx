/** CodeMirror as a field among the others: the page's colours, a label, and a value that comes from outside. */
import { autocompletion, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import type { linter } from '@codemirror/lint'
import { Compartment, EditorState, type Extension, StateEffect } from '@codemirror/state'
import { EditorView, keymap, placeholder as placeholderText } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'

/** What is known of the draft has changed, so what was said of the text may be wrong by now. */
export const knowsMore = StateEffect.define<null>()
export const needsRefresh: NonNullable<Parameters<typeof linter>[1]>['needsRefresh'] = (update) =>
  update.transactions.some((tr) => tr.effects.some((effect) => effect.is(knowsMore)))

const look = EditorView.theme({
  '&': { fontSize: '13px', backgroundColor: 'transparent', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono, monospace)', lineHeight: '20px' },
  '.cm-content': { padding: '5px 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-placeholder': { color: 'var(--ink-3)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection': {
    backgroundColor: 'var(--accent-soft) !important',
  },
  '.cm-gutters': { backgroundColor: 'var(--surface-2)', color: 'var(--ink-3)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--surface-2)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    boxShadow: '0 1px 2px rgb(0 0 0 / 0.06), 0 8px 24px rgb(0 0 0 / 0.1)',
    color: 'var(--ink)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': {
    fontFamily: 'var(--font-sans, sans-serif)',
    maxWidth: 'min(520px, 92vw)',
    maxHeight: '16em',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px', lineHeight: '20px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--surface-3)', color: 'var(--ink)' },
  '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal', fontSize: '12px' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '600' },
  '.cm-completionInfo': { maxWidth: '320px', color: 'var(--ink-2)' },
  '.cm-diagnostic': { padding: '6px 10px', borderLeft: 'none' },
  '.cm-diagnosticAction': { backgroundColor: 'var(--primary)', color: 'var(--primary-ink)', borderRadius: '4px', padding: '2px 8px' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--danger)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
})
const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: tags.string, color: 'var(--ink)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--wait)' },
  { tag: [tags.brace, tags.squareBracket, tags.separator], color: 'var(--ink-3)' },
])

/** A browser that merges lines writes styles into the page, which the policy forbids: what replaces a selection goes in by us. */
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== 'insertText' || event.data === null || view.composing || view.state.readOnly) return false
    if (view.state.selection.main.empty) return false
    event.preventDefault()
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: 'input.type' })
    return true
  },
})

export interface CodeProps {
  value: string
  onChange: (text: string) => void
  /** Id of what labels it, or the label itself. */
  labelledBy?: string | undefined
  label?: string | undefined
  describedBy?: string | undefined
  invalid?: boolean
  readOnly?: boolean
  placeholder?: string | undefined
  /** Read once. What changes later is asked for through functions, and `known` says when. */
  extensions: readonly Extension[]
  known?: unknown
  onView?: (view: EditorView | null) => void
  className?: string
}

const nonce = (): string => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''

export function Code(props: CodeProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const latest = useRef(props)
  latest.current = props
  const changing = useRef(new Compartment())
  const attributes = (): Extension => {
    const { labelledBy, label, describedBy, invalid = false, readOnly = false, placeholder } = latest.current
    return [
      EditorState.readOnly.of(readOnly),
      EditorView.contentAttributes.of({
        ...(labelledBy ? { 'aria-labelledby': labelledBy } : {}),
        ...(label ? { 'aria-label': label } : {}),
        ...(describedBy ? { 'aria-describedby': describedBy } : {}),
        ...(readOnly ? { 'aria-readonly': 'true' } : {}),
        'aria-invalid': String(invalid),
      }),
      placeholder ? placeholderText(placeholder) : [],
    ]
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: one editor for the life of the field; what changes comes through the effects below
  useEffect(() => {
    const made = new EditorView({
      parent: host.current as HTMLElement,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          EditorView.cspNonce.of(nonce()),
          history(),
          // Where something is offered nobody wants a new line, so Enter takes it at once.
          autocompletion({ icons: false, maxRenderedOptions: 60, interactionDelay: 0 }),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          EditorView.lineWrapping,
          look,
          syntaxHighlighting(colours),
          typedOver,
          changing.current.of(attributes()),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return
            const text = update.state.doc.toString()
            if (text !== latest.current.value) latest.current.onChange(text)
          }),
          latest.current.extensions as Extension[],
        ],
      }),
    })
    // It scrolls, so whoever has no mouse must get to it too.
    made.scrollDOM.tabIndex = 0
    view.current = made
    latest.current.onView?.(made)
    return () => {
      latest.current.onView?.(null)
      made.destroy()
    }
  }, [])
  useEffect(() => {
    const at = view.current
    if (at && at.state.doc.toString() !== props.value) at.dispatch({ changes: { from: 0, to: at.state.doc.length, insert: props.value } })
  }, [props.value])
  // biome-ignore lint/correctness/useExhaustiveDependencies: they are what `attributes` reads
  useEffect(() => {
    view.current?.dispatch({ effects: changing.current.reconfigure(attributes()) })
  }, [props.labelledBy, props.label, props.describedBy, props.invalid, props.readOnly, props.placeholder])
  // biome-ignore lint/correctness/useExhaustiveDependencies: it says that something has changed, whatever it is
  useEffect(() => {
    view.current?.dispatch({ effects: knowsMore.of(null) })
  }, [props.known])
  return (
    <div
      ref={host}
      className={`overflow-hidden rounded-md border bg-surface focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent ${props.invalid ? 'border-danger' : 'border-line-strong'} ${props.readOnly ? 'bg-surface-2' : ''} ${props.className ?? ''}`}
    />
  )
}
