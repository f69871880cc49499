/**
 * Reads the TypeScript files of a project into what the checks ask about: imports, exports, names and sizes.
 * Only syntax is read, so a tree that does not compile can be checked too.
 */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import ts from 'typescript'

/** One import (or re-export, or dynamic import) of a file. */
export interface Import {
  readonly specifier: string
  /** The imported file, from the root; absent if the specifier names a package or a file that is not there. */
  readonly target?: string
  readonly line: number
  /** True if only types are imported. */
  readonly isTypeOnly: boolean
  /** The imported names; 'everything' for a namespace, a dynamic import or an `export *`. */
  readonly names: readonly string[] | 'everything'
}

/** One name that a file offers to others. */
export interface Export {
  readonly name: string
  readonly line: number
  readonly isType: boolean
  /** True if the name is passed on from another file. */
  readonly isPassedOn: boolean
}

/** A function, method or accessor with its extent. */
export interface FunctionExtent {
  readonly name: string
  readonly line: number
  readonly lineCount: number
}

/** A method, accessor or field of a class, or a row of a table. */
export interface Member {
  readonly name: string
  readonly owner: string
  readonly line: number
}

/** A file of the project as the checks see it. */
export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly lineCount: number
  readonly isTest: boolean
  readonly imports: readonly Import[]
  readonly exports: readonly Export[]
  readonly functions: readonly FunctionExtent[]
  readonly members: readonly Member[]
  /** The keys of exported object literals: the rows of tables. */
  readonly rows: readonly Member[]
  /** Files that a string literal names: programs to start, workers, stages. */
  readonly mentions: readonly string[]
  /** How often each identifier (or string that could be one) stands in the file. */
  readonly words: ReadonlyMap<string, number>
  /** True if the file does nothing but pass on names of other files. */
  readonly isBarrel: boolean
}

/** All files of a project, by path. */
export interface SourceTree {
  readonly root: string
  readonly files: ReadonlyMap<string, SourceFile>
}

const FOLDERS = ['src', 'test', 'bench', 'examples', 'tools']

/** Reads every `.ts` file under the project's folders. */
export function readSourceTree(root: string): SourceTree {
  const paths = FOLDERS.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root, exclude: (name) => name === 'node_modules' }))
  const files = paths
    .filter((path) => !path.endsWith('.d.ts'))
    .sort()
    .map((path) => readSourceFile(root, path))
  return { root, files: new Map(files.map((file) => [file.path, file])) }
}

function readSourceFile(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const syntax = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
  const reader = new FileReader(root, path, syntax)
  reader.read(syntax)
  return {
    path,
    lineCount: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    isTest: path.endsWith('.test.ts'),
    imports: reader.imports,
    exports: reader.exports,
    functions: reader.functions,
    members: reader.members,
    rows: reader.rows,
    mentions: reader.mentions,
    words: reader.words,
    isBarrel: isBarrel(syntax),
  }
}

function isBarrel(syntax: ts.SourceFile): boolean {
  if (syntax.statements.length === 0) return false
  return syntax.statements.every((statement) => ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined)
}

/** Walks one file and collects what the checks need. */
class FileReader {
  readonly imports: Import[] = []
  readonly exports: Export[] = []
  readonly functions: FunctionExtent[] = []
  readonly members: Member[] = []
  readonly rows: Member[] = []
  readonly mentions: string[] = []
  readonly words = new Map<string, number>()
  readonly #root: string
  readonly #path: string
  readonly #syntax: ts.SourceFile

  constructor(root: string, path: string, syntax: ts.SourceFile) {
    this.#root = root
    this.#path = path
    this.#syntax = syntax
  }

  read(node: ts.Node): void {
    this.#readImport(node)
    this.#readExport(node)
    this.#readFunction(node)
    if (ts.isClassDeclaration(node) || ts.isClassExpression(node)) this.#readMembers(node)
    if (ts.isIdentifier(node)) this.#addWord(node.text)
    else if (ts.isPrivateIdentifier(node)) this.#addWord(node.text)
    else if (ts.isStringLiteralLike(node)) this.#readString(node)
    ts.forEachChild(node, (child) => this.read(child))
  }

  #readImport(node: ts.Node): void {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.importClause
      const bindings = clause?.namedBindings
      const elements = bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : []
      const names = elements.map((element) => (element.propertyName ?? element.name).text)
      if (clause?.name !== undefined) names.push('default')
      const isNamespace = bindings !== undefined && ts.isNamespaceImport(bindings)
      const isTypeOnly =
        clause?.phaseModifier === ts.SyntaxKind.TypeKeyword ||
        (elements.length > 0 && clause?.name === undefined && elements.every((element) => element.isTypeOnly))
      this.#addImport(node, node.moduleSpecifier.text, isTypeOnly, isNamespace ? 'everything' : names)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.exportClause
      const names =
        clause !== undefined && ts.isNamedExports(clause)
          ? clause.elements.map((element) => (element.propertyName ?? element.name).text)
          : []
      this.#addImport(
        node,
        node.moduleSpecifier.text,
        node.isTypeOnly,
        clause === undefined || ts.isNamespaceExport(clause) ? 'everything' : names,
      )
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments
      if (specifier !== undefined && ts.isStringLiteralLike(specifier)) this.#addImport(node, specifier.text, false, 'everything')
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
      this.#addImport(node, node.argument.literal.text, true, 'everything')
    }
  }

  #addImport(node: ts.Node, specifier: string, isTypeOnly: boolean, names: readonly string[] | 'everything'): void {
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(this.#path), specifier) : undefined
    const isThere = target !== undefined && existsSync(join(this.#root, target))
    this.imports.push({ specifier, line: this.#lineOf(node), isTypeOnly, names, ...(isThere ? { target } : {}) })
  }

  #readExport(node: ts.Node): void {
    if (ts.isExportAssignment(node)) this.#addExport(node, 'default', false)
    if (ts.isExportDeclaration(node) && node.exportClause !== undefined && ts.isNamedExports(node.exportClause)) {
      const isPassedOn = node.moduleSpecifier !== undefined
      for (const element of node.exportClause.elements) {
        this.#addExport(element, element.name.text, node.isTypeOnly || element.isTypeOnly, isPassedOn)
      }
    }
    if (node.parent !== this.#syntax || !ts.canHaveModifiers(node)) return
    const modifiers = ts.getModifiers(node) ?? []
    if (!modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)) return
    const isDefault = modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)
    if (isDefault) this.#addExport(node, 'default', false)
    else if (ts.isVariableStatement(node)) {
      for (const declaration of node.declarationList.declarations) {
        if (!ts.isIdentifier(declaration.name)) continue
        this.#addExport(declaration, declaration.name.text, false)
        this.#readRows(declaration.name.text, declaration.initializer)
      }
    } else if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) this.#addExport(node, node.name.text, true)
    else if ((ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) && node.name !== undefined) {
      this.#addExport(node, node.name.text, false)
    }
  }

  #readRows(owner: string, initializer: ts.Expression | undefined): void {
    let table = initializer
    while (table !== undefined && (ts.isAsExpression(table) || ts.isSatisfiesExpression(table))) table = table.expression
    if (table === undefined || !ts.isObjectLiteralExpression(table)) return
    for (const row of table.properties) {
      const name = row.name
      if (name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteral(name)))
        this.rows.push({ name: name.text, owner, line: this.#lineOf(row) })
    }
  }

  #addExport(node: ts.Node, name: string, isType: boolean, isPassedOn = false): void {
    // The overloads of a function are one export.
    if (this.exports.some((known) => known.name === name)) return
    this.exports.push({ name, line: this.#lineOf(node), isType, isPassedOn })
  }

  #readFunction(node: ts.Node): void {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return
    const firstLine = this.#lineOf(node)
    const lastLine = this.#syntax.getLineAndCharacterOfPosition(node.end).line + 1
    this.functions.push({ name: this.#functionName(node), line: firstLine, lineCount: lastLine - firstLine + 1 })
  }

  #functionName(node: ts.SignatureDeclaration): string {
    if (ts.isConstructorDeclaration(node)) return 'constructor'
    const own = node.name ?? (ts.isVariableDeclaration(node.parent) || ts.isPropertyAssignment(node.parent) ? node.parent.name : undefined)
    return own === undefined ? 'a function without a name' : own.getText(this.#syntax)
  }

  #readMembers(node: ts.ClassDeclaration | ts.ClassExpression): void {
    const owner = node.name?.text ?? 'a class without a name'
    for (const member of node.members) {
      if (member.name === undefined) continue
      if (!ts.isIdentifier(member.name) && !ts.isPrivateIdentifier(member.name)) continue
      const isOverride =
        ts.canHaveModifiers(member) && ts.getModifiers(member)?.some((modifier) => modifier.kind === ts.SyntaxKind.OverrideKeyword)
      if (isOverride !== true) this.members.push({ name: member.name.text, owner, line: this.#lineOf(member) })
    }
  }

  #readString(node: ts.StringLiteralLike): void {
    if (/^[\w$]+$/.test(node.text)) this.#addWord(node.text)
    if (!/\.(ts|mjs)$/.test(node.text)) return
    for (const base of [dirname(this.#path), '.']) {
      const path = posix.normalize(posix.join(base, node.text))
      if (!path.startsWith('..') && existsSync(join(this.#root, path))) this.mentions.push(path)
    }
  }

  #addWord(word: string): void {
    this.words.set(word, (this.words.get(word) ?? 0) + 1)
  }

  #lineOf(node: ts.Node): number {
    return this.#syntax.getLineAndCharacterOfPosition(node.getStart(this.#syntax)).line + 1
  }
}
