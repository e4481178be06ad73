// The rules of the house for the page: size, length of files and functions, and that nothing is ever HTML.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const [page] = process.argv.slice(2);
const ts = createRequire(`${process.env.PAGE_TOOLS}/package.json`)('typescript');
const BYTES_MAX = 150 * 1024;
const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 60;
const BANNED = [
  [/innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser/, 'text is text: textContent, or ui/dom.js'],
  [/\beval\(|new Function\(/, 'the policy refuses it'],
  [/https?:\/\/(?!www\.w3\.org)/, 'every asset is ours'],
];
const complaints = [];
const files = (folder) => readdirSync(folder).flatMap((name) => (statSync(join(folder, name)).isDirectory() ? files(join(folder, name)) : [join(folder, name)]));
let total = 0;

/** @param {string} file @param {string} text @param {[RegExp, string][]} banned */
function judge(file, text, banned) {
  const lines = text.split('\n');
  if (lines.length - 1 > FILE_LINES_MAX) complaints.push(`${file}: ${lines.length - 1} lines, at most ${FILE_LINES_MAX}`);
  lines.forEach((line, i) => banned.forEach(([pattern, remedy]) => pattern.test(line) && complaints.push(`${file}:${i + 1}: ${line.trim().slice(0, 80)}: ${remedy}`)));
  if (/\.html$/.test(file) && /<script(?![^>]*src=)|\son\w+=|\sstyle=/.test(text)) complaints.push(`${file}: inline script, handler or style: the policy refuses it`);
  if (/\.m?js$/.test(file)) functions(file, text);
}

/** @param {string} file @param {string} text */
function functions(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const line = (at) => source.getLineAndCharacterOfPosition(at).line;
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body) {
      const length = line(node.end) - line(node.getStart(source)) + 1;
      if (length > FUNCTION_LINES_MAX) complaints.push(`${file}:${line(node.getStart(source)) + 1}: a function of ${length} lines, at most ${FUNCTION_LINES_MAX}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

for (const path of files(page)) {
  const bytes = readFileSync(path);
  total += gzipSync(bytes, { level: 9 }).length;
  if (!path.includes('/vendor/')) judge(relative(page, path), bytes.toString(), BANNED);
}
const here = dirname(fileURLToPath(import.meta.url));
for (const path of files(here)) judge(relative(here, path), readFileSync(path, 'utf8'), []);
console.log(`${(total / 1024).toFixed(1)} KiB compressed, at most ${BYTES_MAX / 1024}`);
if (total > BYTES_MAX) complaints.push(`the page has ${total} bytes compressed, at most ${BYTES_MAX}`);
complaints.forEach((complaint) => console.error(complaint));
process.exit(complaints.length === 0 ? 0 : 1);
