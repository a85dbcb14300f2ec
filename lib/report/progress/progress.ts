/** Shows a training run on standard error: a live line on a terminal, otherwise a line per epoch. */
import type { Margin } from '../../heads/margin.js';
import type { Percentiles } from '../../metrics/headStatistics.js';
import type { MemoryPlan } from '../../native/environment.js';
import type { EpochEvent, StepEvent } from '../../training/events.js';
import type { Observer, Preparation, RunEnd, RunStart } from '../../training/observer.js';
import type { RunNote } from '../../training/runNote.js';
import { bytes, count, describeOptions, duration, percent, significant } from '../format.js';
import { WARNINGS } from '../warnings.js';
import { ProgressBar } from './progressBar.js';
import { isLive, LiveLine, type Styles, styles, type TextStream } from './terminal.js';

/** From a step to the redraw of the live line that shows it, in milliseconds: steps in between are shown together. */
const REDRAW_DELAY = 100;

/** From one line about a long start to the next, in milliseconds, where there is no live line. */
const PREPARATION_LINES = 5000;

/**
 * Where nothing is shown, notes become warnings of the process: said once, either way.
 * @param mode true: always. 'auto': only on a terminal. false: never.
 */
export function createProgress(mode: boolean | 'auto', stream: TextStream = process.stderr): Observer {
  const shown = mode === 'auto' ? isLive(stream) : mode;
  return shown ? new Progress(stream) : WARNINGS;
}

export class Progress implements Observer {
  readonly #live: LiveLine | undefined;
  readonly #style: Styles;
  #info: RunStart | undefined;
  #bar: ProgressBar | undefined;
  #redraw: NodeJS.Timeout | undefined;
  /** The start took long enough to be shown. */
  #isPreparing = false;
  /** When a line last said how far it has come. */
  #prepared = performance.now();

  constructor(private readonly stream: TextStream) {
    this.#style = styles(stream);
    this.#live = isLive(stream) ? new LiveLine(stream) : undefined;
  }

  start(info: RunStart): void {
    this.#info = info;
    this.#bar = new ProgressBar(info, this.#style);
    this.#prepared = performance.now();
    if (this.#isPreparing) this.#live?.clear();
    this.#isPreparing = false;
    const { head, ...options } = info.head;
    const size = [
      `${count(info.samples)} images`,
      `${count(info.epochs)} epochs`,
      `${count(info.steps)} steps`,
      `${count(info.parameters)} parameters`,
      info.device,
    ];
    this.#print(`${this.#style.bold(head)}  ${describeOptions(options)}`);
    this.#print(this.#style.dim(size.join(' · ')));
    this.#print(this.#style.dim(describeMemory(info.memory)));
  }

  prepare({ stage, fraction }: Preparation): void {
    const text = `${stage} ${Math.floor(100 * fraction)} %`;
    const now = performance.now();
    this.#isPreparing = true;
    if (this.#live) {
      this.#live.set(text.slice(0, this.#live.width));
    } else if (now - this.#prepared > PREPARATION_LINES) {
      this.#prepared = now;
      this.#print(this.#style.dim(text));
    }
  }

  step(event: StepEvent): void {
    if (event.step === 1 && this.#isPreparing) this.#live?.clear();
    if (event.step === 1) this.#firstLoss(event.loss);
    this.#bar?.add(event);
    if (this.#live) this.#redraw ??= setTimeout(() => this.#draw(), REDRAW_DELAY);
  }

  epoch(event: EpochEvent): void {
    const { epoch, epochs, loss, accuracy, validation, learningRate, imagesPerSecond, seconds } = event;
    const width = String(epochs).length;
    const facts = [
      `epoch ${String(epoch).padStart(width)}/${epochs}`,
      `loss ${loss.toFixed(3).padStart(6)}`,
      `accuracy ${this.#style.bold(percent(accuracy).padStart(7))}`,
      ...(validation ? [`validation ${this.#style.bold(percent(validation.accuracy).padStart(7))}`] : []),
      this.#style.dim(duration(seconds).padStart(6)),
      this.#style.dim(`${count(imagesPerSecond).padStart(6)} images/s`),
      this.#style.dim(`rate ${significant(learningRate)}`),
    ];
    this.#print(facts.join('  '));
    this.#print(this.#style.dim(`${' '.repeat(7 + 2 * width)}${describeHead(event)}`));
  }

  notice({ message }: RunNote): void {
    this.#print(`${this.#style.warning('note:')} ${message}`);
  }

  /** An error is not shown: it reaches the caller of train(), who knows what to do with it. */
  end(result: RunEnd): void {
    clearTimeout(this.#redraw);
    this.#live?.clear();
    if ('error' in result) return;
    const accuracy = result.accuracy === undefined ? '' : `test accuracy ${percent(result.accuracy)}, `;
    this.#print(this.#style.bold(`${accuracy}trained in ${duration(result.seconds)}`));
  }

  /** A first loss far from the expected one says that data, margin or scale are not what the user thinks. */
  #firstLoss(loss: number): void {
    const expected = this.#info?.expectedFirstLoss;
    if (expected === undefined) return;
    const text = `first loss ${loss.toFixed(2)}, an untrained network's is about ${expected.toFixed(2)}`;
    this.#print(this.#style.dim(text));
  }

  #draw(): void {
    this.#redraw = undefined;
    if (this.#live && this.#bar) this.#live.set(this.#bar.render(this.#live.width));
  }

  #print(line: string): void {
    if (this.#live) this.#live.print(line);
    else this.stream.write(`${line}\n`);
  }
}

function describeMemory(memory: MemoryPlan): string {
  const { parameters, gradients, optimizer, activations, dataset, streamed, workspace } = memory;
  const parts = [
    `parameters ${bytes(parameters)}`,
    `gradients ${bytes(gradients)}`,
    `optimizer ${bytes(optimizer)}`,
    `activations ${bytes(activations)}`,
    `images ${bytes(dataset)}${streamed ? ' (streamed)' : ''}`,
  ];
  const total = parameters + gradients + optimizer + activations + dataset;
  const more = workspace > 0 ? `, and workspace for libraries, up to ${bytes(workspace)}` : '';
  return `memory ${bytes(total)}: ${parts.join(' · ')}${more}`;
}

/** The head's statistics on one line: medians, with what 5 % and 95 % lie below in brackets. */
function describeHead({ head, margin, lambda, pastPi, logitGradientNorm }: EpochEvent): string {
  const range = ([p5, p50, p95]: Percentiles, digits: number, unit = '') =>
    `${p50.toFixed(digits)}${unit} (${p5.toFixed(digits)}–${p95.toFixed(digits)})`;
  const inForce = margin && describeMargin(margin);
  return [
    `θ own ${range(head.targetAngle, 0, '°')}`,
    `nearest other ${range(head.nearestOtherAngle, 0, '°')}`,
    `‖x‖ ${range(head.featureNorm, 1)}`,
    `‖w‖ ${range(head.weightNorm, 2)}`,
    `‖dz‖ ${significant(logitGradientNorm)}`,
    ...(inForce ? [inForce] : []),
    ...(lambda > 0 ? [`λ ${significant(lambda)}`] : []),
    ...(pastPi > 0 ? [`past 180° ${percent(pastPi)}`] : []),
  ].join(' · ');
}

function describeMargin({ m1, m2, m3 }: Margin): string {
  const times = m1 === 1 ? 'θ' : `${significant(m1)}θ`;
  const plus = m2 === 0 ? '' : ` + ${significant(m2)}`;
  return `ψ(${times}${plus})${m3 === 0 ? '' : ` − ${significant(m3)}`}`;
}
