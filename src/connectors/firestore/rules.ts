/** Tools for the security rules. They are read and tried, never deployed. */
import { tool, z } from '../contract.ts'

export const rules = {
  firestore_get_rules: tool({
    about:
      'Shows the security rules that are in force for this database: the source as it was deployed. They bind apps of end users; this connection is bound by its IAM role.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.object({
      release: z.string(),
      ruleset: z.string(),
      create_time: z.string().nullable(),
      files: z.array(z.object({ name: z.string(), content: z.string() })),
      truncated: z.boolean(),
    }),
    example: {},
    run: (ctx) => ctx.session('firestore').rules(),
  }),

  firestore_validate_rules: tool({
    about:
      'Checks the source of security rules for mistakes, with lines and columns, without deploying it. Use it before somebody deploys changed rules. valid is true when no issue is an ERROR.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ source: z.string().min(1).max(262_144).describe("Begins with rules_version = '2';") }),
    output: z.object({
      valid: z.boolean(),
      issues: z.array(
        z.object({
          severity: z.string().describe('ERROR, WARNING or DEPRECATION.'),
          description: z.string(),
          line: z.int().nullable(),
          column: z.int().nullable(),
        }),
      ),
    }),
    example: {
      source:
        "rules_version = '2';\nservice cloud.firestore {\n  match /databases/{database}/documents {\n    match /cities/{city} { allow read; }\n  }\n}",
    },
    run: (ctx, { source }) => ctx.session('firestore').validateRules(source),
  }),
}
