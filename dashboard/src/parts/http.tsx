/** A message of HTTP as it stands on the wire. */
export function Message({
  first,
  headers,
  body,
}: {
  readonly first: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so has to be reached by key
    <pre class="message" tabIndex={0}>
      <code>
        <b>{first}</b>
        {headers.map(([name, value]) => (
          <span key={`${name}${value}`}>
            {'\n'}
            <i>{name}:</i> {value}
          </span>
        ))}
        {body !== undefined && body !== '' && `\n\n${body}`}
      </code>
    </pre>
  );
}
