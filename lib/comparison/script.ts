/** What the comparison's page does by itself: figures as files, and embeddings that are turned. */
import { SAVE_SCRIPT } from '../report/figures/saveScript.js';

export const SCRIPT = `${SAVE_SCRIPT}
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
