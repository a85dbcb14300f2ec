/** What the report's page does by itself: figures as files, and embeddings that are turned. */

export const SCRIPT = `
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
for (const figure of document.querySelectorAll('figure')) {
  const svg = figure.querySelector('svg');
  figure.querySelector('[data-save=svg]')?.addEventListener('click', () => save(figure.id + '.svg', 'image/svg+xml', standalone(svg)));
  figure.querySelector('[data-save=csv]')?.addEventListener('click', () =>
    save(figure.id + '.csv', 'text/csv', figure.querySelector('script').textContent.trimStart().replaceAll('<\\/', '</').replaceAll('\\n', '\\r\\n')));
}
for (const svg of document.querySelectorAll('svg.turnable')) {
  const circles = [...svg.querySelectorAll('circle')];
  const places = JSON.parse(svg.dataset.points);
  let [azimuth, elevation] = JSON.parse(svg.dataset.view);
  const draw = () => {
    const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
    circles.forEach((circle, i) => {
      const [x, y, z] = [places[3 * i], places[3 * i + 1], places[3 * i + 2]];
      circle.setAttribute('cx', (x * ca + y * sa).toFixed(3));
      circle.setAttribute('cy', (-(z * ce + (y * ca - x * sa) * se)).toFixed(3));
    });
  };
  const turn = (dx, dy) => {
    azimuth += dx;
    elevation = Math.max(-1.57, Math.min(1.57, elevation + dy));
    draw();
  };
  svg.addEventListener('pointerdown', (event) => svg.setPointerCapture(event.pointerId));
  svg.addEventListener('pointermove', (event) => {
    if (svg.hasPointerCapture(event.pointerId)) turn(event.movementX / 150, event.movementY / 150);
  });
  const STEPS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
  svg.addEventListener('keydown', (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    turn(...STEPS[event.key]);
  });
}
`;
