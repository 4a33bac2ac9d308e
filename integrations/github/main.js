// The main step of action.yml: finds or installs coffer, reads secrets, masks them, and passes them on.
// It needs nothing but node, so what is in the repository is what runs.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { forms } = require('./forms.js');

const modes = ['env', 'outputs', 'file', 'none'];

// While coffer exports outputs, their names begin with this: coffer refuses what a variable can do to a program, and
// GitHub some variables of a step. An output is none.
const mark = 'step_output_';

// Failure is an error with a message for the log, and an exit code.
class Failure extends Error {
  constructor(message, code = 1) {
    super(message);
    this.code = code;
  }
}

const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? '').trim();
const list = (name) => input(name).split(/[\s,]+/).filter(Boolean);

// command prints a command of the runner. What it says can't begin another one.
function command(name, text) {
  const escaped = text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  write(`::${name}::${escaped}\n`);
}

// write doesn't return before the runner has the text: a mask must be known before anything else is done.
function write(text) {
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

function mask(values) {
  for (const form of forms(values)) command('add-mask', form);
}

// append adds to one of the files through which a step talks to the runner.
function append(variable, text) {
  if (!process.env[variable]) throw new Failure(`${variable} is not set: this is an action for GitHub Actions`);
  fs.appendFileSync(process.env[variable], text);
}

function settings() {
  const s = {
    services: list('services'), only: list('only'), skip: list('skip'), mode: input('mode') || 'env', prefix: input('prefix'), format: input('format') || 'dotenv',
    role: input('role-to-assume'), audience: input('audience') || 'sts.amazonaws.com',
    version: input('version'), url: input('base-url'), key: input('key'), signature: input('require-signature') || 'false',
  };
  if (!modes.includes(s.mode)) throw new Failure(`mode must be one of ${modes.join(', ')}`, 2);
  if (!['true', 'false'].includes(s.signature)) throw new Failure('require-signature must be true or false', 2);
  if (s.mode !== 'none' && s.services.length === 0) throw new Failure(`services is empty: mode ${s.mode} needs at least one`, 2);
  if (s.mode === 'none') {
    for (const [name, value] of Object.entries({ services: s.services.length, only: s.only.length, skip: s.skip.length, prefix: s.prefix, 'role-to-assume': s.role })) {
      if (value) throw new Failure(`${name} can't be used with mode none, which reads no secrets`, 2);
    }
  }
  if (s.mode !== 'file' && s.format !== 'dotenv') throw new Failure(`format can't be used with mode ${s.mode}: it is for mode file`, 2);
  return s;
}

// install makes sure that coffer is on PATH, of this step and of later ones.
function install(s, folder) {
  if (!s.version && spawnSync('coffer', ['version']).status === 0) return;
  if (process.platform === 'win32') throw new Failure('coffer is not on PATH, and this action installs it on Linux and macOS only: install it in an earlier step');
  const bin = path.join(folder, 'bin');
  const args = [path.join(__dirname, '..', 'install.sh'), '--dir', bin, '--version', s.version || 'latest'];
  if (s.url) args.push('--base-url', s.url);
  if (s.key) args.push('--key', s.key);
  if (s.signature === 'true') args.push('--require-signature');
  process.env.PATH = bin + path.delimiter + process.env.PATH;
  const done = spawnSync('sh', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Failure(done.error?.message ?? done.stderr.trim());
  command('notice', done.stderr.trim());
  append('GITHUB_PATH', bin + '\n');
}

// webIdentity writes the job's OIDC token into a file, and has coffer assume the role with it.
async function webIdentity(s, folder) {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = process.env;
  if (!url || !bearer) throw new Failure('role-to-assume needs the permission "id-token: write" in the job', 5);
  let token;
  try {
    const address = new URL(url);
    address.searchParams.set('audience', s.audience);
    const answer = await fetch(address, { headers: { Authorization: `bearer ${bearer}`, Accept: 'application/json' }, signal: AbortSignal.timeout(30_000) });
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    token = (await answer.json()).value;
  } catch (error) {
    throw new Failure(`can't get an OIDC token from GitHub: ${error.cause?.code ?? error.cause?.message ?? error.message}`, 6);
  }
  if (!token) throw new Failure('GitHub answered without an OIDC token', 6);
  mask([token]);
  const file = path.join(folder, 'token');
  fs.writeFileSync(file, token, { mode: 0o600 });
  return {
    AWS_ROLE_ARN: s.role, AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_SESSION_NAME: `coffer-${process.env.GITHUB_RUN_ID ?? 'job'}`,
    AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_SESSION_TOKEN: undefined, AWS_PROFILE: undefined,
  };
}

// reader returns a function that exports the secrets in a format.
function reader(s, identity) {
  return (format, prefix) => {
    const args = ['export', '--require-all', `--format=${format}`];
    if (s.only.length > 0) args.push(`--only=${s.only.join(',')}`);
    for (const key of s.skip) args.push(`--skip=${key}`);
    if (prefix) args.push(`--prefix=${prefix}`);
    const done = spawnSync('coffer', [...args, '--', ...s.services], { env: { ...process.env, ...identity }, encoding: 'utf8', maxBuffer: Infinity });
    if (done.status !== 0) throw new Failure(done.error?.message ?? explained(s, done.stderr), done.status ?? 1);
    const notice = explained(s, done.stderr);
    if (notice) command('notice', notice);
    return done.stdout;
  };
}

// explained returns what coffer has printed, with this action's inputs instead of coffer's flags.
function explained(s, text) {
  const otherwise = {
    env: '; mode: outputs passes it on; prefix gives it another name', file: '; format: json takes every name; prefix gives it another one', outputs: '',
  }[s.mode];
  return text
    .replace(new RegExp(`\\b${mark}`, 'g'), '')
    .replace(/^.*\bset variables that can change what a program runs.*\n/gm, (line) => (s.mode === 'outputs' ? '' : line))
    .replace(/--allow-env \S+ allows it, --skip (\S+) leaves it out/g, `skip: $1 leaves it out${otherwise}`)
    .replace(/(value of "(.*)": GitHub doesn't let a step set .*)/g, `$1\n  skip: $2 leaves it out${otherwise}`)
    .replace(/--skip leaves one of them out/g, 'skip leaves one of them out')
    .replace(/--skip (\S+) leaves it out/g, 'skip: $1 leaves it out')
    .replace(/; read --out FILE writes it to a file/g, '; mode: file writes it to a file')
    .replace(/(; |, or use )--allow-empty .*/g, '')
    .trim();
}

// entries are those of the format github-env: NAME<<DELIMITER, the lines of the value, DELIMITER.
function entries(text) {
  const found = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length - 1; i++) {
    const at = lines[i].indexOf('<<');
    const delimiter = lines[i].slice(at + 2);
    const end = lines.indexOf(delimiter, i + 1);
    found.push({ name: lines[i].slice(0, at), delimiter, value: lines.slice(i + 1, end).join('\n') });
    i = end;
  }
  return found;
}

// outputs returns the text of exported entries without the mark. As for variables, a digit doesn't begin a name.
function outputs(exported) {
  const names = new Set();
  return exported.map(({ name, delimiter, value }) => {
    const own = name.slice(mark.length).replace(/^(?=[0-9])/, '_');
    if (names.has(own)) throw new Failure(`two keys become the output ${own}\n  skip leaves one of them out`, 2);
    names.add(own);
    return `${own}<<${delimiter}\n${value}\n${delimiter}\n`;
  }).join('');
}

// passOn masks the secrets, then gives them to later steps.
function passOn(s, read, folder) {
  if (s.mode !== 'file') {
    const text = read('github-env', s.mode === 'outputs' ? mark + s.prefix : s.prefix);
    const exported = entries(text);
    mask(exported.map(({ value }) => value));
    if (s.mode === 'env') append('GITHUB_ENV', text);
    else append('GITHUB_OUTPUT', outputs(exported));
    return;
  }
  // The values are read before and after the file, so one that is changed meanwhile is masked, too.
  const maskAll = () => mask(Object.values(JSON.parse(read('json'))));
  maskAll();
  const text = read(s.format, s.prefix);
  maskAll();
  const file = path.join(folder, 'secrets');
  fs.writeFileSync(file, text, { mode: 0o600 });
  append('GITHUB_OUTPUT', `file=${file}\n`);
}

async function main() {
  const s = settings();
  const folder = fs.mkdtempSync(path.join(process.env.RUNNER_TEMP || os.tmpdir(), 'coffer-'));
  append('GITHUB_STATE', `folder=${folder}\n`); // post.js removes it
  install(s, folder);
  if (s.mode === 'none') return;
  const identity = s.role ? await webIdentity(s, folder) : {};
  try {
    passOn(s, reader(s, identity), folder);
  } finally {
    fs.rmSync(path.join(folder, 'token'), { force: true });
  }
}

main().catch((error) => {
  command('error title=coffer', error instanceof Failure ? error.message : `${error.name}: ${error.code ?? error.message}`);
  process.exitCode = error instanceof Failure ? error.code : 1;
});
