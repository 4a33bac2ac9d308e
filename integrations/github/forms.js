// Which texts of a log show a secret.
'use strict';

const shortest = 6; // of base64: less of it stands in any log

// forms returns what to mask for some values: each line, because a log is masked line by line; and each line and
// the whole in base64, in JSON and in a URL. The longest come first: a runner that replaces one after the other
// would otherwise leave the rest of a longer one.
function forms(values) {
  const all = new Set();
  for (const value of values) {
    const lines = value.split(/[\r\n]+/).filter((line) => line.trim() !== '');
    for (const line of lines) all.add(line);
    if (lines.length === 0) continue;
    for (const text of [value, ...lines]) {
      for (const form of [...base64(text), JSON.stringify(text).slice(1, -1), encodeURIComponent(text)]) all.add(form);
    }
  }
  return [...all].sort((a, b) => b.length - a.length);
}

// base64 returns the base64 of a text, and what is left of it when other bytes stand before or after it, as in
// "user:password". Programs break base64 after 64 or 76 characters, so each such line is a form of its own.
function base64(text) {
  const found = [];
  for (let before = 0; before < 3; before++) {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const whole = bytes.length - (bytes.length % 3); // the last group depends on what follows
    for (const encoding of ['base64', 'base64url']) {
      const encoded = bytes.subarray(0, whole).toString(encoding).slice(before === 0 ? 0 : 4);
      found.push(encoded);
      if (before > 0) continue;
      found.push(bytes.toString(encoding));
      for (const width of [64, 76]) found.push(...(encoded.length > width ? encoded.match(new RegExp(`.{1,${width}}`, 'g')) : []));
    }
  }
  return found.filter((form) => form.length >= shortest);
}

module.exports = { forms };
