/** What a page with figures does by itself: a figure's buttons save it as a file. They may come and go. */
export const SAVE_SCRIPT = `
const save = (name, type, content) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
/* A file knows none of the page's colours. */
const standalone = (svg) => {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement('i');
  document.body.append(probe);
  const colour = (variable) => {
    probe.style.color = style.getPropertyValue(variable);
    return getComputedStyle(probe).color;
  };
  const text = new XMLSerializer().serializeToString(svg).replace(/var\\((--\\w+)\\)/g, (_, variable) => colour(variable));
  const ground = colour('--ground');
  probe.remove();
  return text.replace(/>/, ' style="background:' + ground + ';font-family:system-ui,sans-serif">');
};
/* A page's line ends are single characters, those of a file of values are not. */
document.addEventListener('click', ({ target }) => {
  const kind = target.dataset?.save;
  if (kind === undefined) return;
  const figure = target.closest('figure');
  if (kind === 'svg') save(figure.id + '.svg', 'image/svg+xml', standalone(figure.querySelector('svg')));
  else save(figure.id + '.csv', 'text/csv', figure.querySelector('script').textContent.trimStart().replaceAll('<\\/', '</').replaceAll('\\n', '\\r\\n'));
});`;
