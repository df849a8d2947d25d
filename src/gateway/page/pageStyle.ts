/**
 * The style of the payment page: light and dark as the browser has it, from left or right, on a phone or a wide window.
 */

/** @param accent - the operator's colour, as `#rrggbb` @param onAccent - what is read on it */
export function pageStyle(accent: string, onAccent: string): string {
  return `:root{color-scheme:light dark;--accent:${accent};--on:${onAccent};--page:#f4f4f1;--card:#fff;--ink:#1b1b18;--soft:#5d5d57;--line:#dededa}
@media(prefers-color-scheme:dark){:root{--page:#141413;--card:#1f1f1d;--ink:#f2f2ee;--soft:#aeaea6;--line:#383834}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.25rem;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans Arabic",sans-serif}
main{width:100%;max-width:25rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;overflow:hidden}
main::before{content:"";display:block;height:4px;background:var(--accent)}
.what,.how,.so{padding:1.5rem}
.how{display:flex;flex-direction:column;padding-top:0;padding-bottom:.25rem}
.act{order:-1}
.so{padding-top:0}
.who{display:flex;align-items:center;gap:.6rem;margin:0 0 1.25rem;font-weight:600}
.who img{height:2rem;max-width:8rem}
h1{margin:0;font-size:1.35rem;line-height:1.25;overflow-wrap:anywhere;hyphens:auto}
.where{margin:.35rem 0 0;color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
.price{margin:1.25rem 0 0;font-size:2.25rem;font-weight:700;line-height:1.1;font-variant-numeric:tabular-nums}
.money,.buys,.note,.so p:not(#state),.foot{color:var(--soft);font-size:.875rem}
.money{margin:.25rem 0 0}
.buys{margin:.75rem 0 0}
.note{margin:1rem 0 0;padding-inline-start:.75rem;border-inline-start:3px solid var(--accent);color:var(--ink)}
.qr{display:block;background:#fff;color:#000;border:1px solid var(--line);border-radius:.75rem;padding:1.4rem;margin:0 auto;width:100%;max-width:20rem}
.qr svg{display:block;width:100%;height:auto}
.scan{margin:.5rem 0 .6rem;text-align:center;font-size:.875rem;color:var(--soft)}
.button{display:block;width:100%;min-height:3rem;margin:0 0 .6rem;padding:.7rem 1rem;border:1px solid var(--line);border-radius:.6rem;background:transparent;color:var(--ink);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
.main{background:var(--accent);border-color:var(--accent);color:var(--on)}
#own:not([hidden])+.main{background:transparent;border-color:var(--line);color:var(--ink)}
.button:hover{filter:brightness(.94)}
.button:disabled{opacity:.6}
:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
.line{display:flex;gap:.6rem;margin:0 0 .6rem}
.line .button{width:auto;margin:0}
#invoice{flex:1;min-width:0;min-height:3rem;padding:.6rem;border:1px solid var(--line);border-radius:.6rem;background:var(--page);color:var(--soft);font:.75rem/1.4 ui-monospace,monospace;text-overflow:ellipsis}
#state{margin:1rem 0 0;min-height:1.5rem;display:flex;gap:.6rem;align-items:baseline;font-weight:600}
#left{margin:.15rem 0 0;font-variant-numeric:tabular-nums}
#again,#check{margin:1rem 0 0}
.so p{margin-bottom:0}
[data-state=waiting] #state::before,[data-state=paid] #state::before{content:"";flex:none;width:.7rem;height:.7rem;border-radius:50%;background:var(--accent)}
[data-state=paid] #state::before{background:#2a8a4a}
@media(prefers-reduced-motion:no-preference){[data-state=waiting] #state::before{animation:beat 1.6s ease-in-out infinite}@keyframes beat{50%{opacity:.25}}}
.foot{max-width:46rem;margin:1rem 0 0;text-align:center}
@media(min-width:48rem){[data-pay] main{max-width:46rem}[data-pay] main>div{display:grid;grid-template:"what how" 1fr "so how" auto/1fr 1fr}.what{grid-area:what;padding:2rem;padding-bottom:1rem}.how{grid-area:how;padding:2rem;padding-inline-start:0}.so{grid-area:so;padding:0 2rem 2rem}h1{font-size:1.6rem}.act{order:0;margin-top:1rem}.act>:last-child{margin-bottom:0}.scan{margin-top:0}#state{padding-top:1rem;border-top:1px solid var(--line)}}`;
}
