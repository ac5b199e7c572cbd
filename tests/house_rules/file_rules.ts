/**
 * The rules that look at one file, as a lint plugin: Deno parses, the rules see the tree.
 *
 * @module
 */

/// <reference lib="deno.unstable" />

import { isGranted, WORLD_GLOBALS, WORLD_MEMBERS } from "./permissions.ts";
import { folderOf, isTestCode, normalizePath } from "./source_tree.ts";

type Node = Deno.lint.Node;

/** The parts from the ground up: a file imports from its own part and from those before it. */
const PARTS: readonly string[] = ["world", "ffi", "storage", "raft", "client", "server", "cli"];

/** Makes the plugin for one run of `Deno.lint.runPlugin`. The file's name is its path in the tree. */
export const fileRules: Readonly<Deno.lint.Plugin> = {
  name: "house",
  rules: {
    "world-only-through-twins": { create: worldOnlyThroughTwins },
    "no-import-up": { create: noImportUp },
    "no-module-state": { create: noModuleState },
    "module-doc": { create: moduleDoc },
  },
};

function worldOnlyThroughTwins(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const path = context.filename;
  const report = (node: Node, what: string) =>
    context.report({
      node,
      message: `${what} in a core: take it from the world that is handed in (world/).`,
    });
  return {
    Identifier(node) {
      const capability = WORLD_GLOBALS.get(node.name);
      if (capability === undefined || isGranted(path, capability)) return;
      if (!isPropertyName(node)) report(node, node.name);
    },
    MemberExpression(node) {
      const name = `${nameOf(node.object)}.${nameOf(node.property)}`;
      const capability = WORLD_MEMBERS.get(name);
      if (capability !== undefined && !isGranted(path, capability)) report(node, name);
    },
    NewExpression(node) {
      if (nameOf(node.callee) !== "Date" || node.arguments.length > 0) return;
      if (!isGranted(path, "clock")) report(node, "new Date()");
    },
    ...onImports((node, specifier) => {
      if (specifier.startsWith("node:") && !isGranted(path, "node")) report(node, specifier);
      const target = normalizePath(`${folderOf(path)}/${specifier}`);
      if (/^\.{1,2}\//.test(specifier) && /^world\/(real|sim)\//.test(target)) {
        if (!target.startsWith(folderOf(path)) && !isGranted(path, "real")) report(node, target);
      }
    }),
  };
}

function noImportUp(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const path = context.filename;
  const rank = PARTS.indexOf(path.split("/")[0]!);
  if (rank < 0) return {};
  return onImports((node, specifier) => {
    if (!/^\.{1,2}\/.*\.ts$/.test(specifier)) return;
    const target = normalizePath(`${folderOf(path)}/${specifier}`);
    const top = target.split("/")[0]!;
    const targetRank = PARTS.indexOf(top);
    // What isn't a part (main.ts, mod.ts, tests/) stands above all of them.
    if (targetRank >= 0 && targetRank <= rank) return;
    if (top === "tests" && isTestCode(path)) return;
    context.report({ node, message: `${PARTS[rank]}/ imports ${target}, which is above it.` });
  });
}

/** Things made by `new` that hold nothing which changes. */
const STATELESS_CLASSES: readonly string[] = ["TextEncoder", "TextDecoder", "RegExp", "URL"];

function noModuleState(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  // Nobody imports a test or a script.
  if (/(_test|(^|\/)main)\.ts$/.test(context.filename)) return {};
  const report = (node: Node, what: string) =>
    context.report({
      node,
      message: `${what}: state at module level is shared by all nodes of a process. ` +
        `Keep it in a value that is made from a configuration, or type it Readonly.`,
    });
  return {
    VariableDeclaration(node) {
      if (!isTopLevel(node)) return;
      if (node.kind !== "const") return report(node, `\`${node.kind}\``);
      for (const declarator of node.declarations) {
        const isReadonly = /\b(Readonly\w*|readonly)\b/.test(annotationOf(context, declarator.id));
        if (declarator.init && !isReadonly && holdsState(declarator.init)) {
          report(declarator, `Mutable \`${nameOf(declarator.id)}\``);
        }
      }
    },
    PropertyDefinition(node) {
      if (node.static && !node.readonly) report(node, "A static field that is not readonly");
    },
  };
}

function holdsState(init: Node): boolean {
  switch (init.type) {
    case "NewExpression": {
      if (STATELESS_CLASSES.includes(nameOf(init.callee))) return false;
      const [first] = init.arguments;
      const isEmptyArray = init.arguments.length === 1 && first?.type === "Literal" &&
        first.value === 0;
      return !isEmptyArray;
    }
    case "ArrayExpression":
      return init.elements.length === 0;
    case "ObjectExpression":
      return init.properties.length === 0;
    default:
      return false;
  }
}

function moduleDoc(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  if (/_test\.ts$/.test(context.filename)) return {};
  return {
    Program(node) {
      const text = context.sourceCode.text.replace(/^#!.*\n/, "").trimStart();
      const doc = /^\/\*\*[\s\S]*?\*\//.exec(text)?.[0] ?? "";
      const words = doc.replace(/[*/\s]|@module/g, "");
      if (!doc.includes("@module") || words.length < 10) {
        context.report({ node, message: "Starts without a module comment (/** … @module */)." });
      }
    },
  };
}

type ImportNode =
  | Deno.lint.ImportDeclaration
  | Deno.lint.ExportAllDeclaration
  | Deno.lint.ExportNamedDeclaration
  | Deno.lint.ImportExpression;

/** Calls `visit` for every import, re-export and dynamic import with a literal specifier. */
function onImports(
  visit: (node: ImportNode, specifier: string) => void,
): Deno.lint.LintVisitor {
  const onNode = (node: ImportNode) => {
    const source = node.source;
    if (source?.type === "Literal" && typeof source.value === "string") visit(node, source.value);
  };
  return {
    ImportDeclaration: onNode,
    ExportAllDeclaration: onNode,
    ExportNamedDeclaration: onNode,
    ImportExpression: onNode,
  };
}

/** Whether a name is only the name of a member, key or parameter label, not a use of the global. */
function isPropertyName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as Node;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return parent.key === node && !parent.computed;
    case "TSQualifiedName":
      return parent.right === node;
    case "ImportSpecifier": // judged by what it imports from
      return true;
    default:
      return false;
  }
}

function isTopLevel(node: Node): boolean {
  const parent = (node as { parent?: Node }).parent;
  return parent?.type === "Program" ||
    (parent?.type === "ExportNamedDeclaration");
}

function nameOf(node: Node): string {
  return node.type === "Identifier" ? node.name : "";
}

function annotationOf(context: Deno.lint.RuleContext, binding: Node): string {
  const annotation = (binding as { typeAnnotation?: Node }).typeAnnotation;
  return annotation ? context.sourceCode.getText(annotation) : "";
}
