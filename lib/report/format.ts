/** Numbers and options as people read them. */

/** 0.9123 → '91.2 %' */
export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

/** 7270.4 → '7,270' */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Three significant digits, without trailing zeros: 0.00098 → '0.00098', 1.5e-7 → '1.5e-7'. */
export function significant(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** 4.26 → '4.3 s', 75 → '1:15', 3675 → '1:01:15' */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const [hours, minutes, rest] = clock(seconds);
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${twoDigits(rest)}` : `${minutes}:${twoDigits(rest)}`;
}

/** 1234567890 → '1.15 GiB' */
export function bytes(value: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = value < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  return `${significant(value / 1024 ** power)} ${units[power]}`;
}

/** Lines of words, each as long as fits. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** A head or another set of options on one line, every value included: 'm 0.5 · s 16 · wrap continue'. */
export function describeOptions(options: Readonly<Record<string, unknown>>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${describeValue(value)}`)
    .join(' · ');
}

function describeValue(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return describeList(Array.from(value as number[]));
  if (typeof value !== 'object' || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([name, part]) => `${name}: ${describeValue(part)}`)
    .join(', ')} }`;
}

function describeList(values: readonly unknown[]): string {
  if (values.length === 0) return 'none';
  return values.length > 10 ? `[${values.length} numbers]` : `[${values.map(describeValue).join(', ')}]`;
}

function clock(seconds: number): [hours: number, minutes: number, seconds: number] {
  const whole = Math.round(seconds);
  return [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
