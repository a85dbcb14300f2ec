/** Style of pages with figures: light and dark, from a phone's width on. */
import { SCHEMES } from '../charts/schemes.js';

const colours = Object.entries(SCHEMES)
  .map(([name, [light, dark]]) => `--${name}:light-dark(${light},${dark})`)
  .join(';');

export const STYLE = `
:root{color-scheme:light dark;${colours};font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:16px;background:var(--ground);color:var(--ink)}
h1{font-size:1.45rem;margin:0 0 4px}
h2{font-size:1.15rem;margin:32px 0 4px}
p{max-width:80ch;margin:0 0 12px;color:var(--quiet)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem}
th,td{text-align:left;padding:4px 18px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:400;color:var(--quiet)}
td{font-variant-numeric:tabular-nums}
td.best{font-weight:700}
td i,.legend i{display:inline-block;width:.75em;height:.75em;border-radius:50%;margin-right:.5em;background:var(--colour)}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;margin:0 0 10px;padding:0;list-style:none;font-size:.85rem}
.figures{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr))}
figure{min-width:0;margin:0;padding:10px;border:1px solid var(--line);border-radius:10px;background:var(--panel)}
figure.whole{grid-column:1/-1}
figcaption{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline;font-size:.9rem}
figcaption b{flex:1}
figure svg{display:block;width:100%;height:auto}
figure svg.turnable{touch-action:none;cursor:grab}
button{font:inherit;font-size:.75rem;padding:1px 8px;border:1px solid var(--line);border-radius:6px;background:none;color:var(--quiet);cursor:pointer}
ul.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(80px,1fr));gap:8px;margin:8px 0 0;padding:0;list-style:none;font-size:.72rem;line-height:1.3}
ul.images img{width:100%;aspect-ratio:1;object-fit:contain;background:#000;border-radius:4px;image-rendering:pixelated}
ul.images li{overflow-wrap:anywhere}
pre{overflow-x:auto;padding:10px;border-radius:8px;background:var(--panel);font-size:.82rem;white-space:pre-wrap;overflow-wrap:anywhere}
`;
