/**
 * The pieces that pages are made of.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as Format from '../format.ts';
import type { Loaded } from '../hooks.ts';
import { Icon, type IconName } from './icons.tsx';

/** The head of a page, and what can be chosen for all of it. */
export function PageHead({ title, lead, children }: { readonly title: string; readonly lead?: ComponentChildren; readonly children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Farebox`;
  }, [title]);
  return (
    <header class="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead !== undefined && <p class="lead">{lead}</p>}
      </div>
      {children !== undefined && <div class="page-tools">{children}</div>}
    </header>
  );
}

/** A part of a page with a name. */
export function Panel({
  title,
  note,
  tools,
  flush = false,
  className = '',
  children,
}: {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly tools?: ComponentChildren;
  /** What is inside reaches to the edges. */
  readonly flush?: boolean;
  readonly className?: string;
  readonly children: ComponentChildren;
}) {
  return (
    <section class={`panel ${className}`} aria-label={title}>
      <header class="panel-head">
        <h2>{title}</h2>
        {note !== undefined && <p>{note}</p>}
        {tools !== undefined && <div class="panel-tools">{tools}</div>}
      </header>
      <div class={flush ? 'panel-flush' : 'panel-body'}>{children}</div>
    </section>
  );
}

/** An amount, in sat. */
export function Sat({ msat, sign = '' }: { readonly msat: string | bigint; readonly sign?: string }) {
  return (
    <span class="sat">
      {sign}
      {Format.sat(msat)}
      <small> sat</small>
    </span>
  );
}

/** A point in time, and in its title the whole of it. */
export function Time({ at, nowAt, isAgo = false }: { readonly at: number; readonly nowAt?: number; readonly isAgo?: boolean }) {
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={Format.exactTime(at)}>
      {isAgo ? Format.ago(at, nowAt) : Format.time(at, nowAt)}
    </time>
  );
}

/** The words for a state, and its colour. */
const tones = {
  earned: ['good', 'Earned'],
  received: ['wait', 'Presented'],
  arrived: ['wait', 'Arrived'],
  settled: ['wait', 'Arrived'],
  reversed: ['bad', 'Given back'],
  repeated: ['calm', 'Repeated'],
  challenged: ['calm', '402 sent'],
  refused: ['bad', 'Refused'],
  given: ['calm', 'Free'],
  denied: ['bad', 'Revoked'],
  trouble: ['bad', 'Trouble'],
  'left-out': ['bad', 'Upstream out'],
  back: ['good', 'Upstream back'],
} as const;

export function State({ kind }: { readonly kind: string }) {
  const [tone, words] = tones[kind as keyof typeof tones] ?? ['calm', kind];
  return <span class={`state state-${tone}`}>{words}</span>;
}

/** Where there is nothing: why, and what to do. */
export function Empty({ icon, title, children }: { readonly icon: IconName; readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-words">{children}</div>}
    </div>
  );
}

/** Something that is being asked for: nothing yet, why not, or what it is. */
export function Waiting<Answer>({
  of,
  lines = 3,
  children,
}: {
  readonly of: Loaded<Answer>;
  readonly lines?: number;
  readonly children: (value: Answer) => ComponentChildren;
}) {
  if (of.error !== undefined && of.value === undefined) return <Trouble words={of.error} again={of.reload} />;
  if (of.value === undefined) {
    return (
      <div class="skeleton" role="status" aria-label="Loading">
        {Array.from({ length: lines }, (_, line) => (
          <span key={line} />
        ))}
      </div>
    );
  }
  return (
    <>
      {of.error !== undefined && <Trouble words={of.error} again={of.reload} />}
      {children(of.value)}
    </>
  );
}

export function Trouble({ words, again }: { readonly words: string; readonly again?: () => void }) {
  return (
    <div class="notice notice-bad" role="alert">
      <Icon name="alert" />
      <p>{words}</p>
      {again !== undefined && (
        <button type="button" class="button button-small" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** One of few. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly (readonly [Value, string])[];
  readonly onChange: (value: Value) => void;
}) {
  const name = `choice-${label.toLowerCase().replace(/\W+/g, '-')}`;
  return (
    <fieldset class="choice">
      <legend class="unseen">{label}</legend>
      {options.map(([each, words]) => (
        <label key={each} class={each === value ? 'chosen' : ''}>
          <input type="radio" name={name} value={each} checked={each === value} onChange={() => onChange(each)} />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Text to take along. */
export function Copy({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 1800);
  };
  return (
    <button type="button" class="button button-small copy" onClick={copy}>
      <Icon name={isCopied ? 'check' : 'copy'} />
      <span aria-live="polite">{isCopied ? 'Copied' : label}</span>
    </button>
  );
}

/** A command for a terminal. */
export function Command({ text }: { readonly text: string }) {
  return (
    <div class="command">
      <code>{text}</code>
      <Copy text={text} />
    </div>
  );
}

/** A field with its name above it, and what to know below. */
export function Field({ label, hint, children }: { readonly label: string; readonly hint?: ComponentChildren; readonly children: ComponentChildren }) {
  return (
    <div class="field">
      {/* biome-ignore lint/a11y/noLabelWithoutControl: the control is inside */}
      <label>
        <span class="field-label">{label}</span>
        {children}
      </label>
      {hint !== undefined && <p class="field-hint">{hint}</p>}
    </div>
  );
}
