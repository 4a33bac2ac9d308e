// Reads files as a package of npm does and prints what it took them for: an array with, for
// each file, an object of names and values, or {"error": ...}. One process reads them all.
//
//	node read.mjs READER FILE...
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

// The packages are installed outside of the repository.
const require = createRequire(path.join(process.env.COFFER_TEST_READERS, "package.json"));
const text = (file) => readFileSync(file, "utf8");

// inDirectory calls read with a temporary directory in which the file is called ".env": the name
// that these readers look for.
function inDirectory(file, read) {
  const dir = mkdtempSync(path.join(tmpdir(), "env-"));
  try {
    writeFileSync(path.join(dir, ".env"), text(file));
    return read(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const only = (env) => Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("KEY")));

const readers = {
  dotenv: async () => (file) => require("dotenv").parse(text(file)),
  dotenvx: async () => (file) => only(require("@dotenvx/dotenvx").parse(text(file), { processEnv: {} })),
  vite: async () => {
    const { loadEnv } = await import(viteEntry());
    return (file) => inDirectory(file, (dir) => loadEnv("production", dir, "KEY"));
  },
  next: async () => {
    const { loadEnvConfig } = require("@next/env");
    const quiet = { info() {}, error() {} };
    return (file) => {
      const { loadedEnvFiles, parsedEnv } = inDirectory(file, (dir) => loadEnvConfig(dir, false, quiet, true));
      if (loadedEnvFiles.length !== 1) throw new Error("no file was read");
      return only(parsedEnv);
    };
  },
  "js-yaml": async () => (file) => require("js-yaml").load(text(file)),
  yaml: async () => (file) => require("yaml").parse(text(file)),
};

// Vite is published for "import" alone, which require.resolve does not find.
function viteEntry() {
  return path.join(process.env.COFFER_TEST_READERS, "node_modules/vite/dist/node/index.js");
}

const [name, ...files] = process.argv.slice(2);
const read = await readers[name]();
console.log(
  JSON.stringify(
    files.map((file) => {
      try {
        return { value: read(file) };
      } catch (e) {
        return { error: String(e) };
      }
    }),
  ),
);
