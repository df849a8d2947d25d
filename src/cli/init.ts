/**
 * `farebox init`: writes a configuration file from the answers to three questions.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import { readLine, readPrice, readUpstream } from '../gateway/ConfigFields.ts';
import { parseConfig } from '../gateway/index.ts';
import type { CliContext } from './Context.ts';
import { table } from './Terminal.ts';

type InitOptions = { readonly upstream?: string; readonly price?: string; readonly name?: string; readonly force?: boolean; readonly json?: boolean };

type Answers = { readonly upstream: string; readonly price: string; readonly title: string };

/** Adds `farebox init`. */
export function registerInit(program: Command, context: CliContext): void {
  program
    .command('init')
    .argument('[file]', 'the file to write', 'farebox.yaml')
    .description('Write a configuration file: asks where your API is, what a request costs, and what it is called.')
    .option('-u, --upstream <url>', 'where your API is, such as http://localhost:3000')
    .option('-p, --price <amount>', 'what a request costs, such as "10 sat"')
    .option('-n, --name <name>', 'what it is called, such as "Translation API"')
    .option('--force', 'overwrite a file that is there')
    .option('--json', 'print what was written as JSON')
    .addHelpText('after', help)
    .action((file: string, options: InitOptions) => init(context, file, options));
}

const help = `
A question that an option answers is not asked; where there is nobody to ask,
all three options are needed.

Examples:
  farebox init
  farebox init --upstream http://localhost:3000 --price "10 sat" --name "Translation API"`;

async function init(context: CliContext, file: string, options: InitOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  if (!options.force && existsSync(file)) throw isThere(file);
  const answers = await ask(context, options);
  const service = serviceName(answers.title);
  const text = write(answers, service);
  // What cannot be served is not written.
  parseConfig(text, { file, folder: dirname(resolve(file)), environment: context.environment });
  save(file, text, options.force === true);
  terminal.data({ file, service, ...answers });
  const isDefault = file === 'farebox.yaml';
  terminal.line(`${terminal.tone('good', 'Wrote')} ${terminal.tone('strong', file)}: ${answers.title}, ${terminal.tone('money', answers.price)} a request.`);
  terminal.line();
  const next = [
    [`farebox check${isDefault ? '' : ` ${file}`}`, 'what it comes to'],
    [`farebox serve${isDefault ? '' : ` --config ${file}`}`, 'start it (sandbox: play money, worth nothing)'],
    [`farebox sales --config ${file}`, 'what it has earned'],
  ] as const;
  for (const row of table(next.map(([command, what]) => [`  ${terminal.tone('wire', command)}`, what]))) terminal.line(row);
  terminal.line();
  terminal.line(terminal.tone('quiet', 'farebox.keys and farebox.db appear beside it at the first start. Keep both out of version control.'));
}

type Question = {
  readonly flag: string;
  readonly text: string;
  readonly fallback: string;
  readonly given: string | undefined;
  readonly read: (answer: string) => string;
};

async function ask(context: CliContext, options: InitOptions): Promise<Answers> {
  const questions: readonly Question[] = [
    { flag: '--upstream', text: 'Where is your API?', fallback: 'http://localhost:3000', given: options.upstream, read: readAddress },
    { flag: '--price', text: 'What does a request cost?', fallback: '10 sat', given: options.price, read: (answer) => Amount.format(readPrice(answer)) },
    { flag: '--name', text: 'What is it called?', fallback: 'My API', given: options.name, read: readLine },
  ];
  const answers: string[] = [];
  const unanswered: string[] = [];
  for (const question of questions) {
    const answer = question.given === undefined ? await askOne(context, question) : check(question, question.given);
    if (answer === undefined) unanswered.push(question.flag);
    else answers.push(answer);
  }
  const [upstream, price, title] = answers;
  if (upstream !== undefined && price !== undefined && title !== undefined) return { upstream, price, title };
  const example = 'farebox init --upstream http://localhost:3000 --price "10 sat" --name "My API"';
  throw new FareboxError('CONFIG_INVALID', `There is nobody to ask here, and the answer to ${unanswered.join(' and ')} is missing: ${example}`);
}

/** A person may mistype; a third mistake ends it. */
async function askOne(context: CliContext, question: Question): Promise<string | undefined> {
  for (let left = 3; ; left--) {
    const answer = await context.ask(question.text, question.fallback);
    if (answer === undefined) return undefined;
    try {
      return check(question, answer);
    } catch (error) {
      if (left === 1 || !FareboxError.is(error)) throw error;
      context.terminal.note(context.terminal.tone('warning', error.message.slice(`${question.flag}: `.length)));
    }
  }
}

function check({ flag, read }: Question, answer: string): string {
  try {
    return read(answer);
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `${flag}: ${(error as Error).message}`, { cause: error });
  }
}

function readAddress(answer: string): string {
  const { origin, basePath } = readUpstream(answer);
  return `${origin}${basePath}`;
}

/** `Translation API` becomes `translation-api`: it stands in every token. */
function serviceName(title: string): string {
  const plain = title.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  return (
    plain
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 64)
      .replaceAll(/^-+|-+$/g, '') || 'api'
  );
}

function write({ upstream, price, title }: Answers, service: string): string {
  return `# What this gateway serves, and for how much. "farebox check" explains it, "farebox serve" starts it.

# 127.0.0.1 is this machine alone.
listen: 127.0.0.1:8402

# Where payments arrive. The sandbox is play money on this machine, worth nothing: for trying things out.
lightning: sandbox

# Made at the first start. Keep it out of version control: whoever has the keys can make tokens without paying. Without them, nothing that was sold is good any more.
keys: farebox.keys

# What was used, and what was earned.
store: farebox.db

services:
  # The name stands in every token: leave it as it is once something has been sold. The title is for people.
  - name: ${service}
    title: ${quote(title)}
    # Gets every request that was paid for, without the credential.
    upstream: ${quote(upstream)}
    routes:
      # Everything below "/", with every method. Of several routes the most specific one wins.
      - path: /*
        price: ${price}
        # What one payment buys: one request. A pass is "pass 1h": any number of requests for an hour.
        terms: per-request
      # - path: /premium/*
      #   methods: [GET]
      #   price: 200 sat
      # - path: /health
      #   free: true
`;
}

/** Text as YAML reads it back, "\${NAME}" included. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll('${', () => '$${');
}

function save(file: string, text: string, force: boolean): void {
  try {
    writeFileSync(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'EEXIST' ? isThere(file) : new FareboxError('CONFIG_INVALID', `${file} cannot be written (${code}). Name another file.`, { cause: error });
  }
}

function isThere(file: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', `${file} is there already. Name another file, or overwrite it with --force.`);
}
