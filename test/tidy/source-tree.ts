import { posix } from "node:path";
import { parseSync } from "vite";

/** A file as the tidy checks see it: whom it names, and where. */
export interface SourceFile {
  readonly path: string;
  /** Imports and exports of every kind, types included, and files named by `new URL(name, import.meta.url)`. */
  readonly imports: readonly Mention[];
  /** Names used as such, not as a property: globals, and what hides one. `a.b` of a global object counts as `b`, and `Math` with its property. */
  readonly names: readonly Mention[];
  /** Tests that may not run. */
  readonly skips: readonly Skip[];
}

export interface Mention {
  /** Of an import: the file's path from the root of the tree where there is such a file, else what was written. */
  readonly name: string;
  readonly line: number;
}

export interface Skip {
  readonly how: string;
  readonly line: number;
  readonly hasReason: boolean;
}

export type SourceTree = ReadonlyMap<string, SourceFile>;

/** An import whose name is only known when it runs. */
export const computedImport = "(computed)";

/** Parses files given as text by path, with `/` between folders. Throws for one that does not parse. */
export function sourceTree(texts: Readonly<Record<string, string>>): SourceTree {
  return new Map(Object.entries(texts).map(([path, text]) => [path, new Reader(path, text, texts).file()]));
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const globalObjects = new Set(["globalThis", "self", "window", "global"]);

const testFunctions = new Set(["test", "it", "describe", "suite"]);
const testContexts = new Set(["context", "ctx", "task"]);
const waysToSkip = new Set(["skip", "skipIf", "runIf", "todo", "only"]);

/** Where a node's identifier is the name of a property or of something elsewhere, by the kind of the node. */
const propertyNames: Readonly<Record<string, string>> = {
  MemberExpression: "property",
  Property: "key",
  MethodDefinition: "key",
  PropertyDefinition: "key",
  AccessorProperty: "key",
  TSPropertySignature: "key",
  TSMethodSignature: "key",
  TSAbstractMethodDefinition: "key",
  TSAbstractPropertyDefinition: "key",
  TSEnumMember: "id",
  TSNamedTupleMember: "label",
  TSQualifiedName: "right",
  ImportSpecifier: "imported",
  ExportSpecifier: "exported",
  MetaProperty: "property",
};

class Reader {
  readonly #path: string;
  readonly #text: string;
  readonly #known: Readonly<Record<string, string>>;
  readonly #imports: Mention[] = [];
  readonly #names: Mention[] = [];
  readonly #skips: Skip[] = [];
  readonly #commentLines = new Set<number>();
  /** The arguments of each call seen so far, by its callee. */
  readonly #calledWith = new Map<Node, string>();

  constructor(path: string, text: string, known: Readonly<Record<string, string>>) {
    this.#path = path;
    this.#text = text;
    this.#known = known;
  }

  file(): SourceFile {
    const { program, comments, errors } = parseSync(this.#path, this.#text);
    if (errors.length > 0) throw new Error(`${this.#path} does not parse: ${errors[0]!.message}`);
    for (const comment of comments) this.#commentLines.add(this.#line(comment.end));
    this.#walk(program as unknown as Node);
    return { path: this.#path, imports: this.#imports, names: this.#names, skips: this.#skips };
  }

  #walk(node: Node): void {
    this.#readImport(node);
    this.#readSkip(node);
    const line = this.#line(node.start);
    if (node.type === "Identifier") this.#names.push({ name: node["name"] as string, line });
    if (node.type === "MemberExpression") {
      const owner = nameOf(node["object"]);
      const name = nameOf(node["property"]) ?? textOf(node["property"]);
      if (name !== undefined && globalObjects.has(owner ?? "")) this.#names.push({ name, line });
      if (owner === "Math" && node["computed"] !== true) {
        this.#names.push({ name: `Math.${name}`, line });
        return;
      }
    }
    for (const [key, value] of Object.entries(node)) {
      if (propertyNames[node.type] === key && node["computed"] !== true) continue;
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) this.#walk(child);
      }
    }
  }

  #readImport(node: Node): void {
    let named: unknown;
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportNamedDeclaration":
      case "ExportAllDeclaration":
      case "ImportExpression":
      case "TSImportType":
        named = node["source"];
        break;
      case "TSExternalModuleReference":
        named = node["expression"];
        break;
      case "CallExpression":
        if (nameOf(node["callee"]) === "require") named = (node["arguments"] as Node[])[0];
        break;
      case "NewExpression": {
        const [name, base] = node["arguments"] as Node[];
        if (nameOf(node["callee"]) === "URL" && base !== undefined && this.#source(base) === "import.meta.url")
          named = name;
        break;
      }
    }
    if (!isNode(named)) return;
    const text = textOf(named);
    this.#imports.push({
      name: text === undefined ? computedImport : this.#resolve(text),
      line: this.#line(node.start),
    });
  }

  /** The assembly leaves the ending out, bundlers have a query behind it. */
  #resolve(specifier: string): string {
    if (!specifier.startsWith(".")) return specifier;
    const path = posix.join(posix.dirname(this.#path), specifier.split("?")[0]!);
    return path in this.#known || !(`${path}.ts` in this.#known) ? path : `${path}.ts`;
  }

  #readSkip(node: Node): void {
    if (node.type === "MemberExpression") {
      const how = nameOf(node["property"]);
      const root = rootOf(node["object"]) ?? "";
      if (how === undefined || !waysToSkip.has(how)) return;
      if (testContexts.has(root) && how === "skip") this.#addSkip(how, node, this.#calledWith.get(node));
      // `test.skip("name", run)` is told the test; `test.skipIf(condition)` what it is skipped for.
      if (testFunctions.has(root)) this.#addSkip(how, node, how.endsWith("If") ? this.#calledWith.get(node) : "");
      return;
    }
    if (node.type !== "CallExpression") return;
    const callee = node["callee"] as Node;
    const given = node["arguments"] as Node[];
    const told = given.map((argument) => this.#source(argument)).join(", ");
    this.#calledWith.set(callee, told);
    if (nameOf(callee) === "skip") this.#addSkip("skip", callee, told);
    if (!testFunctions.has(rootOf(callee) ?? "")) return;
    for (const argument of given) {
      if (argument.type !== "ObjectExpression") continue;
      for (const property of argument["properties"] as Node[]) {
        const how = nameOf(property["key"]);
        if (how !== undefined && waysToSkip.has(how))
          this.#addSkip(how, property, this.#source(property["value"] as Node));
      }
    }
  }

  /**
   * A reason is a comment on the line or the one above, a text in what the skipping is told, or a value there that by its
   * name is the reason (`missingTool()`, `reason`).
   */
  #addSkip(how: string, node: Node, told = ""): void {
    const line = this.#line(node.start);
    const commented = this.#commentLines.has(line) || this.#commentLines.has(line - 1);
    this.#skips.push({ how, line, hasReason: commented || /["'`]|reason|missing/i.test(told) });
  }

  #source(node: Node): string {
    return this.#text.slice(node.start, node.end);
  }

  #line(offset: number): number {
    let line = 1;
    for (let at = this.#text.indexOf("\n"); at !== -1 && at < offset; at = this.#text.indexOf("\n", at + 1)) line++;
    return line;
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Identifier" ? (node["name"] as string) : undefined;
}

function textOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined;
}

/** The `a` of `a`, `a.b.c`, `a.b(c)` and `a.b(c)(d)`. */
function rootOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  return nameOf(node) ?? rootOf(node.type === "CallExpression" ? node["callee"] : node["object"]);
}
