/**
 * `npm run configuration-docs`: writes docs/configuration.schema.json and the table in docs/configuration.md from the schema.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { schemaText, withTable } from './configuration-docs.ts'

const DOCS = resolve(import.meta.dirname, '../docs')

writeFileSync(resolve(DOCS, 'configuration.schema.json'), await schemaText())
const document = resolve(DOCS, 'configuration.md')
writeFileSync(document, withTable(readFileSync(document, 'utf8')))
