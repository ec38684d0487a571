/** OpenAPI 3.1 read off the operations. */
import { z } from 'zod'
import { FAULTS } from '../base/errors.ts'
import { type AnyOperation, scopesOf } from '../operations/index.ts'
import { LINES } from './lines.ts'

type Json = Record<string, unknown>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json
  return rest
}

/** A session has every scope, so it names none. */
function securityOf(op: AnyOperation): Json[] {
  if (op.by === 'anyone') return []
  return op.by === 'session' ? [{ session: [] }] : [{ pat: scopesOf(op) }, { session: [] }]
}

/** Of JSON lines OpenAPI 3.1 knows the one line. */
function answerOf(op: AnyOperation): Json {
  const schema = schemaOf(op.output, 'output') as { properties?: { items?: { items?: Json } } }
  return op.lines ? { [LINES]: { schema: schema.properties?.items?.items ?? {} } } : { 'application/json': { schema } }
}

export function openApi(operations: readonly AnyOperation[], version: string): Json {
  const paths: Record<string, Json> = {}
  for (const op of operations) {
    const [method, path] = op.http.split(' ') as [string, string]
    const whole = schemaOf(op.input, 'input') as { properties?: Record<string, Json>; required?: string[] }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string)
    const rest = Object.entries(whole.properties ?? {}).filter(([name]) => !inPath.includes(name))
    const required = (whole.required ?? []).filter((name) => !inPath.includes(name))
    const hasBody = method !== 'GET' && method !== 'DELETE' && rest.length > 0
    paths[path] ??= {}
    paths[path][method.toLowerCase()] = {
      operationId: op.name,
      summary: op.about,
      tags: [op.name.split('.')[0]],
      security: securityOf(op),
      'x-role': op.role,
      'x-by': op.by ?? 'token',
      'x-effect': op.effect,
      parameters: [
        ...inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
        ...(hasBody || method === 'POST' || method === 'PATCH' || method === 'PUT'
          ? []
          : rest.map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }))),
        ...(op.idempotent ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : []),
      ],
      ...(hasBody
        ? {
            requestBody: {
              required: required.length > 0,
              content: {
                'application/json': {
                  schema: {
                    type: 'object',
                    properties: Object.fromEntries(rest),
                    additionalProperties: false,
                    ...(required.length ? { required } : {}),
                  },
                },
              },
            },
          }
        : {}),
      responses: {
        [String(op.status ?? 200)]: { description: 'Done.', content: answerOf(op) },
        default: { $ref: '#/components/responses/Fault' },
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'AgentRuntime',
      version,
      description: 'Connections, bindings, tool calls and durable runs. Secrets go in and never come out.',
    },
    paths,
    components: {
      securitySchemes: {
        pat: { type: 'http', scheme: 'bearer', bearerFormat: 'ar_pat_…' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-ar_session', description: 'For the Console. Over plain HTTP: ar_session.' },
      },
      parameters: {
        IdempotencyKey: {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          schema: { type: 'string', maxLength: 255 },
          description: 'Same key and body: same answer, for 24 hours.',
        },
      },
      responses: {
        Fault: {
          description: 'One sentence, a code and often a hint.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['error', 'code', 'details', 'request_id'],
                properties: {
                  error: { type: 'string' },
                  code: { type: 'string', enum: Object.keys(FAULTS) },
                  hint: { type: 'string' },
                  details: { type: 'object' },
                  request_id: { type: 'string' },
                },
              },
            },
          },
        },
      },
    },
  }
}
