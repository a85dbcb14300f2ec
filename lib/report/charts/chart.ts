/** Charts as SVG text. Colours are CSS variables of the page, so that one picture serves light and dark; `schemes.ts` has their names. */
import type { EChartsOption } from 'echarts';
import { lazy } from '../../base/lazy.js';
import type * as Parts from './parts.js';

/** Made by scripts/bundle-charts.mjs. */
const library = lazy<typeof Parts>('./dist/lib/report/charts/library.js');

export interface ChartFrame {
  /** Unlike that of any other picture on the page */
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** What a screen reader says of it */
  readonly label: string;
}

const TEXT = { color: 'var(--ink)', fontFamily: 'inherit', fontSize: 12 } as const;

export function chartSvg(option: EChartsOption, { id, width, height, label }: ChartFrame): string {
  const { init, use, ...parts } = library();
  use(Object.values(parts));
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: TEXT, ...option });
    return accessible(chart.renderToSVGString(), label).replaceAll(/\bzr\d+-c(?=\d)/g, `${id}-clip-`);
  } finally {
    chart.dispose();
  }
}

/** Without what it says of the pointer: classes that would be the whole page's. */
function accessible(svg: string, label: string): string {
  return svg
    .replace(/<style\b[\s\S]*?<\/style>/, '')
    .replaceAll(/ (class="zr\d+-cls-\d+"|ecmeta_\w+="[^"]*"|pointer-events="visible")/g, '')
    .replace(
      '<svg ',
      `<svg role="img" aria-label="${label.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')}" `,
    );
}
