/**
 * What is published about the configuration, made from its schema: docs/configuration.schema.json, and the table in docs/configuration.md.
 */
import { format } from 'prettier'
import { listSettings, settingTree, type Setting, type SettingNode } from '../src/cli/configuration/settings.ts'

/** Where the generated table begins and ends in docs/configuration.md. */
const TABLE_START = '<!-- settings: made by tools/write-configuration-docs.ts -->'
const TABLE_END = '<!-- /settings -->'

/** The text of docs/configuration.schema.json. */
export async function schemaText(): Promise<string> {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of Waybill',
    ...jsonSchemaOf(settingTree()),
  }
  return format(JSON.stringify(schema), { parser: 'json', printWidth: 140 })
}

/** A place of the configuration as JSON Schema. */
function jsonSchemaOf(node: SettingNode): object {
  const facts = {
    ...(node.description === '' ? {} : { description: node.description }),
    ...(node.default === undefined ? {} : { default: node.default }),
  }
  if (node.kind === 'leaf') return { ...facts, ...node.facts.jsonSchema }
  if (node.kind === 'map') return { ...facts, type: 'object', additionalProperties: jsonSchemaOf(node.item) }
  if (node.kind === 'list') return { ...facts, type: 'array', items: jsonSchemaOf(node.item) }
  const required = [...node.entries].filter(([, child]) => child.required).map(([key]) => key)
  return {
    ...facts,
    type: 'object',
    properties: Object.fromEntries([...node.entries].map(([key, child]) => [key, jsonSchemaOf(child)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  }
}

/** The lines between the marks in docs/configuration.md. */
function tableText(): string {
  const rows = listSettings().map((setting) => {
    const { name, environmentName, node } = setting
    const expected = node.kind === 'leaf' ? node.facts.expected : node.kind === 'map' ? 'a map' : 'a list'
    return `| \`${name}\` | ${node.description} | ${cell(expected)} | ${defaultText(setting)} | ${environmentName === undefined ? '' : `\`${environmentName}\``} |`
  })
  return [
    TABLE_START,
    '',
    '| setting | meaning | expected | default | environment |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    TABLE_END,
  ].join('\n')
}

function defaultText({ node: { default: value, required } }: Setting): string {
  if (value === undefined) return required ? 'required' : ''
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** The document with the table made anew. */
export function withTable(document: string): string {
  const start = document.indexOf(TABLE_START)
  const end = document.indexOf(TABLE_END)
  if (start < 0 || end < start) throw new Error('docs/configuration.md has no marks for the table of settings')
  return document.slice(0, start) + tableText() + document.slice(end + TABLE_END.length)
}
