/** A token and what was handed on of it, drawn as a tree: each part with what it may spend, and how much of that is spent. */
import type { Node } from '../answers.ts';
import * as Format from '../format.ts';
import { State } from '../parts/parts.tsx';

export function Tree({ nodes }: { readonly nodes: readonly Node[] }) {
  const below = (name: string | null) => nodes.filter(({ above }) => above === name);
  const draw = (level: readonly Node[]) => (
    <ul>
      {level.map((node) => (
        <li key={node.name}>
          <Part node={node} />
          {below(node.name).length > 0 && draw(below(node.name))}
        </li>
      ))}
    </ul>
  );
  const known = new Set(nodes.map(({ name }) => name));
  return <div class="tree">{draw(nodes.filter(({ above }) => above === null || !known.has(above)))}</div>;
}

function Part({ node: { name, kind, unit, units, spent, reserved, revoked } }: { readonly node: Node }) {
  const say = (value: string) => (unit === 'msat' ? `${Format.sat(value)} sat` : Format.count(Number(value)));
  const most = units === null ? 0 : Math.max(1, Number(units));
  return (
    <div class="tree-part">
      <p>
        <b>{kind}</b> <span class="mono quiet">{Format.short(name)}</span> {revoked && <State kind="denied" />}
      </p>
      {units !== null && spent !== null && (
        <>
          <meter class="bar" min={0} max={most} value={Number(spent) + Number(reserved ?? 0)} aria-label={`${say(spent)} of ${say(units)} spent`} />
          <p class="quiet">
            {say(spent)} of {say(units)} spent
            {reserved !== null && reserved !== '0' && `, ${say(reserved)} under way`}
          </p>
        </>
      )}
    </div>
  );
}
