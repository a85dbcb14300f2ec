/** The colours of figures by the names of their CSS variables. `c0` … are the palette of svg/, lighter where the ground is dark. */
export const SCHEMES = {
  ground: ['#fff', '#14171c'],
  panel: ['#f6f7f9', '#1d2128'],
  ink: ['#1f2937', '#e6e8ec'],
  quiet: ['#5b6472', '#a3abb8'],
  line: ['#d1d5db', '#3a414d'],
  c0: ['#2d7fc7', '#6db3f2'],
  c1: ['#c77700', '#ffb938'],
  c2: ['#bd1f01', '#ff7a5c'],
  c3: ['#6f7f7d', '#b4c4c2'],
  c4: ['#832db6', '#c88bf0'],
  c5: ['#a96b59', '#d9a08f'],
  c6: ['#d65b00', '#ff964d'],
  c7: ['#8d843f', '#d8cf8e'],
  c8: ['#717581', '#a9adb8'],
  c9: ['#2f98a0', '#92dadd'],
} as const satisfies Readonly<Record<string, readonly [light: string, dark: string]>>;

/** A figure's SVG as a file, which knows none of a page's colours: on a light ground. */
export const standaloneSvg = (svg: string): string =>
  svg
    .replaceAll(/var\(--(\w+)\)/g, (_, name: string) => SCHEMES[name as keyof typeof SCHEMES][0])
    .replace('>', ` style="background:${SCHEMES.ground[0]};font-family:system-ui,sans-serif">`);
