/**
 * What may be said to MongoDB. Texts are Extended JSON; they are judged as decoded values, so that no way of writing hides anything.
 * Read tools cannot write ($out, $merge), nobody runs JavaScript at the server, and nobody reaches another database.
 */
import { BSON } from 'mongodb'
import { Fault } from '../../base/errors.ts'
import { parseJson } from '../../base/json.ts'

/** Longest text of one argument. A document of MongoDB may be 16 MB; a tool's argument need not. */
export const MAX_EJSON_LENGTH = 1_000_000
const MAX_JSON_KEYS = 20_000

type Doc = Record<string, unknown>

/** Stages that read. Not here: those that write ($out, $merge), and those that tell of the server instead of the data. */
const STAGES = new Set(
  (
    '$match $project $group $sort $limit $skip $unwind $addFields $set $unset $count $sortByCount $bucket $bucketAuto $facet $lookup ' +
    '$graphLookup $unionWith $replaceRoot $replaceWith $sample $redact $geoNear $densify $fill $setWindowFields $search $searchMeta ' +
    '$vectorSearch $rankFusion $scoreFusion $documents'
  ).split(' '),
)
const UPDATE_STAGES = new Set(['$addFields', '$set', '$project', '$unset', '$replaceRoot', '$replaceWith'])
const UPDATE_OPERATORS = new Set(
  '$set $unset $inc $mul $min $max $rename $currentDate $setOnInsert $push $pull $pullAll $addToSet $pop $bit'.split(' '),
)
/**
 * Refused wherever they stand, with what they would do. Names that begin with `$_` are the server's own and refused, too. A command
 * (mapReduce) cannot be said here at all.
 */
const REFUSED: Record<string, string> = {
  $where: 'runs JavaScript at the server',
  $function: 'runs JavaScript at the server',
  $accumulator: 'runs JavaScript at the server',
  $eval: 'runs JavaScript at the server',
  $out: 'writes a collection',
  $merge: 'writes a collection',
}
/** Values of Extended JSON that carry nothing to run and nothing nested. */
const LEAVES = new Set('ObjectId Binary Decimal128 Double Int32 Long Timestamp MinKey MaxKey BSONRegExp BSONSymbol UUID'.split(' '))

function refuse(what: string): never {
  throw new Fault('TOOL_REFUSED', what)
}
function invalid(what: string): never {
  throw new Fault('INVALID_INPUT', what)
}

export interface Said {
  value: unknown
  /** As it came, for taking its values out of messages. */
  plain: unknown
}

/** Decodes and walks. Faults: INVALID_INPUT, TOOL_REFUSED. */
function decode(name: string, text: string, relaxed = false): Said {
  if (text.length > MAX_EJSON_LENGTH) invalid(`${name} is longer than ${MAX_EJSON_LENGTH} characters`)
  if (!text.isWellFormed()) invalid(`${name} holds characters that are not text`)
  let plain: unknown
  try {
    plain = parseJson(text, MAX_JSON_KEYS)
  } catch (error) {
    invalid(`${name}: ${(error as Error).message.replace(/\b(the|a) body\b/g, 'the text')}`)
  }
  let value: unknown
  try {
    value = BSON.EJSON.deserialize(plain as Doc, { relaxed })
  } catch {
    invalid(`${name} is not valid Extended JSON`)
  }
  walk(name, value)
  return { value, plain }
}

function walk(name: string, value: unknown): void {
  if (Array.isArray(value)) for (const one of value) walk(name, one)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) invalid(`${name} holds a date that is none`)
    return
  }
  const kind = bsonType(value)
  if (kind === 'DBRef') {
    const { oid, fields } = value as { oid: unknown; fields: unknown }
    walk(name, oid)
    walk(name, fields)
  } else if (kind === 'Code') refuse(`${name} holds JavaScript ($code), which is not run here`)
  else if (kind === undefined) for (const [key, inner] of Object.entries(value)) judgeKey(name, key, inner)
  else if (!LEAVES.has(kind)) refuse(`${name} holds a value of the type ${kind}, which is not taken here`)
}

function judgeKey(name: string, key: string, inner: unknown): void {
  const why = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined
  if (why !== undefined) refuse(`${name} uses ${key}, which ${why}`)
  if (key.startsWith('$_')) refuse(`${name} uses ${key.slice(0, 60)}, which is the server's own`)
  if (key === '_bsontype') refuse(`${name} holds a key _bsontype, which would be taken for a type`)
  if (key.includes('\0')) invalid(`${name} holds a key with a NUL character`)
  if (key === '$lookup' || key === '$graphLookup' || key === '$unionWith') judgeForeign(name, key, inner)
  walk(name, inner)
}

/** Which collection another stage reads: one of this database, by its name alone. */
function judgeForeign(name: string, stage: string, spec: unknown): void {
  const other = (from: unknown) => {
    if (typeof from !== 'string') refuse(`${name}: ${stage} may read collections of this database only, by their name`)
    else judgeCollection(from)
  }
  if (stage === '$unionWith' && typeof spec === 'string') other(spec)
  if (!isDocument(spec)) return // the server says what is wrong with it
  for (const key of Object.keys(spec)) if (/db$|database/i.test(key)) refuse(`${name}: ${stage} may not name a database`)
  const from = spec[stage === '$unionWith' ? 'coll' : 'from']
  if (from !== undefined) other(from)
  if (spec.pipeline !== undefined) judgeStages(name, spec.pipeline, STAGES)
}

function judgeStages(name: string, pipeline: unknown, allowed: ReadonlySet<string>): void {
  if (!Array.isArray(pipeline)) invalid(`${name} must be a list of stages`)
  for (const stage of pipeline as unknown[]) {
    const keys = isDocument(stage) ? Object.keys(stage) : []
    if (keys.length !== 1) invalid(`${name}: a stage is one object with one key`)
    const key = keys[0]!
    if (!allowed.has(key)) refuse(`${name}: the stage ${key.slice(0, 60)} is not allowed here`)
    const inner = (stage as Doc)[key]
    if (key === '$facet' && isDocument(inner)) for (const one of Object.values(inner)) judgeStages(name, one, allowed)
    if ((key === '$rankFusion' || key === '$scoreFusion') && isDocument(inner)) judgeFusion(name, inner, allowed)
  }
}

function judgeFusion(name: string, spec: Doc, allowed: ReadonlySet<string>): void {
  const pipelines = isDocument(spec.input) ? spec.input.pipelines : undefined
  if (isDocument(pipelines)) for (const one of Object.values(pipelines)) judgeStages(name, one, allowed)
}

const bsonType = (value: object): string | undefined => {
  const own = Object.getOwnPropertyDescriptor(value, '_bsontype')
  return own === undefined ? (value as { _bsontype?: string })._bsontype : undefined
}
const isDocument = (value: unknown): value is Doc =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date) && bsonType(value) === undefined

/** Name of a collection of the database: no system collection, nothing that another reader could cut elsewhere. */
export function judgeCollection(name: string): string {
  if (name === '' || Buffer.byteLength(name) > 200 || /[\0$]/.test(name) || /^\.|\.$/.test(name))
    invalid('that is not the name of a collection')
  if (/^system\./.test(name)) refuse('collections of the system are not read or written here')
  return name
}

/** A filter: one object. Nothing said means every document. */
export function filterOf(text: string | undefined): { value: Doc; plain: unknown } {
  const said = decode('filter_json', text === undefined || text.trim() === '' ? '{}' : text)
  return isDocument(said.value) ? { value: said.value, plain: said.plain } : invalid('filter_json must be one object')
}

export function projectionOf(text: string | undefined): { value: Doc | undefined; plain: unknown } {
  return optional('projection_json', text)
}

export function sortOf(text: string | undefined): { value: Record<string, 1 | -1 | { $meta: string }> | undefined; plain: unknown } {
  const said = optional('sort_json', text)
  for (const way of Object.values(said.value ?? {}))
    if (way !== 1 && way !== -1 && !(isDocument(way) && Object.keys(way).join() === '$meta' && typeof way.$meta === 'string'))
      invalid('sort_json gives 1 (ascending) or -1 (descending) for each field')
  return said as { value: Record<string, 1 | -1 | { $meta: string }> | undefined; plain: unknown }
}

function optional(name: string, text: string | undefined): { value: Doc | undefined; plain: unknown } {
  if (text === undefined || text.trim() === '') return { value: undefined, plain: undefined }
  // Relaxed: the client reads these numbers itself.
  const said = decode(name, text, true)
  return isDocument(said.value) ? { value: said.value, plain: said.plain } : invalid(`${name} must be one object`)
}

export function aggregationOf(text: string): { value: Doc[]; plain: unknown } {
  const said = decode('pipeline_json', text)
  judgeStages('pipeline_json', said.value, STAGES)
  return said as { value: Doc[]; plain: unknown }
}

export function documentOf(text: string): { value: Doc; plain: unknown } {
  const said = decode('document_json', text)
  if (!isDocument(said.value)) invalid('document_json must be one object')
  for (const key of Object.keys(said.value))
    if (key.startsWith('$')) invalid(`document_json: a field cannot begin with $ (${key.slice(0, 60)})`)
  return { value: said.value, plain: said.plain }
}

/** Operators ($set, …) or a pipeline of stages that change the document; never a whole document, which would wipe its other fields. */
export function updateOf(text: string): { value: Doc | Doc[]; plain: unknown } {
  const said = decode('update_json', text)
  if (Array.isArray(said.value)) {
    judgeStages('update_json', said.value, UPDATE_STAGES)
    if (said.value.length === 0) invalid('update_json changes nothing')
    return { value: said.value as Doc[], plain: said.plain }
  }
  if (!isDocument(said.value)) invalid('update_json must be one object, or a list of stages')
  const keys = Object.keys(said.value)
  if (keys.length === 0) invalid('update_json changes nothing')
  for (const key of keys) {
    if (!key.startsWith('$')) invalid('update_json must consist of operators like $set; a whole document would wipe all other fields')
    if (!UPDATE_OPERATORS.has(key)) refuse(`update_json: the operator ${key.slice(0, 60)} is not allowed here`)
  }
  return { value: said.value, plain: said.plain }
}
