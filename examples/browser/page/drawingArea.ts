/** The canvas that is drawn on, bright on black as the data is. */
import { type Framing, fillEnclosed, type Grey } from '../framing.js';
import { element } from './elements.js';

export class DrawingArea {
  onChange: () => void = () => {};

  readonly #canvas = element('drawing', HTMLCanvasElement);
  readonly #context = this.#canvas.getContext('2d', { willReadFrequently: true })!;
  readonly #brush = element('brush', HTMLInputElement);
  readonly #fill = element('fill', HTMLInputElement);
  readonly #shade: number;
  #isEmpty = true;
  #isDrawing = false;

  constructor({ shade, isFilled }: Framing) {
    this.#shade = shade;
    this.#fill.checked = isFilled;
    this.#context.lineCap = 'round';
    this.#context.lineJoin = 'round';
    this.#context.strokeStyle = `rgb(${shade} ${shade} ${shade})`;
    this.#blacken();
    this.#canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    this.#canvas.addEventListener('pointermove', (event) => this.#go(event));
    for (const end of ['pointerup', 'pointercancel'] as const) {
      this.#canvas.addEventListener(end, () => this.#end());
    }
    this.#fill.addEventListener('change', () => this.onChange());
    element('clear', HTMLButtonElement).addEventListener('click', () => this.#clear());
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Whether a stroke is not yet at its end */
  get isDrawing(): boolean {
    return this.#isDrawing;
  }

  grey(): Grey {
    const { width, height } = this.#canvas;
    const { data: rgba } = this.#context.getImageData(0, 0, width, height);
    const data = new Uint8Array(width * height).map((_, index) => rgba[4 * index]!);
    const drawn = { data, width, height };
    return this.#fill.checked ? fillEnclosed(drawn, this.#shade) : drawn;
  }

  #begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId); // a stroke may leave the canvas and come back
    const width = this.#brush.valueAsNumber;
    const place = this.#placeOf(event);
    this.#isDrawing = true;
    this.#isEmpty = false;
    this.#context.beginPath();
    this.#context.arc(...place, width / 2, 0, 2 * Math.PI); // a tap is a dot, which a line of no length is not
    this.#context.fillStyle = this.#context.strokeStyle;
    this.#context.fill();
    this.#context.lineWidth = width;
    this.#context.beginPath();
    this.#context.moveTo(...place);
    this.onChange();
  }

  #go(event: PointerEvent): void {
    if (!this.#canvas.hasPointerCapture(event.pointerId)) return;
    // A fast hand moves several times between two frames; not every browser tells.
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length > 0 ? moves : [event]) this.#lineTo(move);
  }

  #lineTo(event: PointerEvent): void {
    const place = this.#placeOf(event);
    this.#context.lineTo(...place);
    this.#context.stroke();
    // Drawn once over, a line's soft rim would grow hard.
    this.#context.beginPath();
    this.#context.moveTo(...place);
    this.onChange();
  }

  #end(): void {
    this.#isDrawing = false;
    this.onChange();
  }

  #placeOf(event: PointerEvent): [x: number, y: number] {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [
      ((event.clientX - left) / width) * this.#canvas.width,
      ((event.clientY - top) / height) * this.#canvas.height,
    ];
  }

  #clear(): void {
    this.#blacken();
    this.#isEmpty = true;
    this.onChange();
  }

  #blacken(): void {
    this.#context.fillStyle = '#000';
    this.#context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
  }
}
