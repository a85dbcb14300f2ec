/** Style and script of the contact sheet. */

export const STYLE = `
:root{color-scheme:light dark;--ground:light-dark(#fff,#14171c);--panel:light-dark(#f6f7f9,#1d2128);--ink:light-dark(#1f2937,#e6e8ec);--quiet:light-dark(#5b6472,#a3abb8);--line:light-dark(#d1d5db,#3a414d);--label:light-dark(#0b61a4,#7cc0ff);--predicted:light-dark(#a83a00,#ffab70);font:15px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:16px;background:var(--ground);color:var(--ink)}
h1{font-size:1.35rem;margin:0 0 4px}
header p{margin:0 0 12px;max-width:75ch;color:var(--quiet)}
table{border-collapse:collapse;margin-bottom:16px;font-size:.9rem}
caption{text-align:left;font-weight:600;padding-bottom:4px}
th,td{text-align:left;padding:2px 16px 2px 0;border-bottom:1px solid var(--line)}
th{font-weight:400;color:var(--quiet)}
td:last-child{text-align:right;padding-right:0;font-variant-numeric:tabular-nums}
form{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;padding:8px 0;margin-bottom:8px;position:sticky;top:0;background:var(--ground)}
select{font:inherit;padding:4px;max-width:12rem}
output{color:var(--quiet)}
main{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr))}
article{min-width:0;padding:10px;border:1px solid var(--line);border-radius:10px;background:var(--panel)}
article[hidden]{display:none}
.mistake{display:flex;gap:12px}
img{display:block;object-fit:contain;background:#000;border-radius:4px;image-rendering:pixelated}
.mistake img{width:112px;height:112px;flex:none}
dl{display:grid;grid-template-columns:auto 1fr;gap:2px 8px;margin:0;font-size:.85rem;align-content:start;min-width:0}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
b.label{color:var(--label)}
b.predicted{color:var(--predicted)}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(70px,1fr));gap:6px;margin:10px 0 0;padding:0;list-style:none;font-size:.7rem;line-height:1.25}
li{min-width:0;padding:3px;border:2px solid var(--line);border-radius:6px;overflow-wrap:anywhere}
li img{width:100%;aspect-ratio:1}
li.label{border-color:var(--label);border-style:double}
li.predicted{border-color:var(--predicted)}
li span,li small{display:block}
li small{color:var(--quiet)}
`;

/** Shows the articles that fit what is chosen, in the order that is chosen. */
export const SCRIPT = `
const form = document.querySelector('form');
form?.addEventListener('input', () => {
  const chosen = Object.fromEntries(new FormData(form));
  const articles = [...document.querySelectorAll('article')];
  const fits = ({ dataset }) => ['label', 'predicted'].every((key) => chosen[key] === '' || chosen[key] === dataset[key]);
  for (const article of articles) article.hidden = !fits(article);
  articles.sort((a, b) => a.dataset[chosen.order] - b.dataset[chosen.order] || a.dataset.place - b.dataset.place);
  document.querySelector('main').append(...articles);
  form.querySelector('output').textContent = articles.filter(fits).length + ' of ' + articles.length + ' shown';
});
`;
