/** What ActiveCampaign calls accounts: the companies that contacts work for. */
import { z } from '../contract.ts'
import { id, jsonOf, parsed, text, write } from './call.ts'

const Account = z.looseObject({
  account: z.looseObject({ id: z.string(), name: z.string(), accountUrl: z.string().nullable().optional() }),
})

const values = jsonOf(
  z
    .array(
      z.strictObject({
        customFieldId: z.int().min(1),
        fieldValue: z.union([z.string(), z.number()]),
        fieldCurrency: z.string().length(3).optional(),
      }),
    )
    .min(1),
  '[{"customFieldId": 9, "fieldValue": "500-1000"}]; amounts of money are in cents and take a fieldCurrency such as "GBP"',
)
const website = text.optional().describe('Website of the company')

export const accounts = {
  activecampaign_add_contact_to_account: write('POST /api/3/accountContacts', {
    about:
      'Links a contact to an account, which is a company in ActiveCampaign. A contact belongs to one account at most: one that has an account is refused.',
    input: { contact_id: id, account_id: id, job_title: text.optional() },
    output: z.looseObject({
      accountContact: z.looseObject({
        id: z.string(),
        account: z.union([z.string(), z.number()]),
        contact: z.union([z.string(), z.number()]),
      }),
    }),
    example: { contact_id: 113, account_id: 1, job_title: 'Product Manager' },
    wrap: 'accountContact',
    body: ({ contact_id, account_id, job_title }) => ({ contact: Number(contact_id), account: Number(account_id), jobTitle: job_title }),
  }),
  activecampaign_create_account: write('POST /api/3/accounts', {
    about: 'Creates an account, which is a company in ActiveCampaign. Fails with a conflict when there is one of this name.',
    input: {
      name: text,
      account_url: website,
      owner_id: id.optional().describe('Id of the ActiveCampaign user who owns it'),
      fields_json: values,
    },
    output: Account,
    example: { name: 'New Company', account_url: 'https://www.example.com', owner_id: 1 },
    wrap: 'account',
    body: ({ name, account_url, owner_id, fields_json }) => ({
      name,
      accountUrl: account_url,
      owner: owner_id === undefined ? undefined : Number(owner_id),
      fields: parsed(fields_json),
    }),
  }),
  activecampaign_update_account: write('PUT /api/3/accounts/{account_id}', {
    about: 'Changes name, website or custom fields of an account, which is a company in ActiveCampaign. What is left out stays as it is.',
    repeatable: true,
    input: { account_id: id, name: text.optional(), account_url: website, fields_json: values },
    output: Account,
    example: { account_id: '1', name: 'Example Company', fields_json: '[{"customFieldId":9,"fieldValue":"500-1000"}]' },
    wrap: 'account',
    body: ({ name, account_url, fields_json }) => ({ name, accountUrl: account_url, fields: parsed(fields_json) }),
  }),
}
