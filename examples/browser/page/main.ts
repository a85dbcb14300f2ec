/** From strokes to pixels, through the model, to bars and a point. */
import { frameDrawing } from '../framing.js';
import { SITE_FILE, type Site } from '../site.js';
import { ClassBars } from './classBars.js';
import { Classifier } from './classifier.js';
import { DrawingArea } from './drawingArea.js';
import { element } from './elements.js';
import { Plane } from './plane.js';

async function main(): Promise<void> {
  const site = (await (await fetch(SITE_FILE)).json()) as Site;
  const [height, width] = site.size;
  const classifier = await Classifier.load(height, width);
  const drawing = new DrawingArea(site.framing);
  const bars = new ClassBars(site);
  const plane = new Plane(site);
  const seen = element('seen', HTMLCanvasElement);
  [seen.width, seen.height] = [width, height];
  element('about', HTMLElement).textContent =
    `A small network trained on ${site.dataName} (${(100 * site.accuracy).toFixed(1)} % of its test images right) ` +
    'runs in this page, on every stroke. Nothing leaves your machine.';

  const show = async () => {
    const pixels = frameDrawing(drawing.grey(), site.framing, height, width);
    showPixels(seen, pixels);
    if (drawing.isEmpty) {
      bars.clear();
      plane.clear();
      return;
    }
    const { probabilities, embedding } = await classifier.run(pixels);
    if (drawing.isEmpty) return; // cleared meanwhile
    bars.show(probabilities);
    plane.show(embedding);
    if (!drawing.isDrawing) bars.announce();
  };
  drawing.onChange = oncePerFrame(show);
}

/** However often it is asked for: once per frame, and never while the last is under way. */
function oncePerFrame(work: () => Promise<void>): () => void {
  let isWanted = false;
  let isBusy = false;
  const turn = async () => {
    isWanted = false;
    await work();
    isBusy = false;
    if (isWanted) ask();
  };
  const ask = () => {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    requestAnimationFrame(() => turn().catch(fail));
  };
  return ask;
}

function showPixels(canvas: HTMLCanvasElement, pixels: Uint8Array): void {
  const image = new ImageData(canvas.width, canvas.height);
  pixels.forEach((value, index) => {
    image.data.set([value, value, value, 255], 4 * index);
  });
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

function fail(error: unknown): void {
  element('about', HTMLElement).textContent = `It does not work here: ${error}`;
  throw error;
}

main().catch(fail);
