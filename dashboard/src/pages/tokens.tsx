/** What a token allows. */
import { Empty, PageHead, Panel } from '../parts/parts.tsx';

export function Tokens() {
  return (
    <>
      <PageHead title="Tokens" />
      <Panel title="Inspect">
        <Empty icon="tokens" title="Not here yet" />
      </Panel>
    </>
  );
}
