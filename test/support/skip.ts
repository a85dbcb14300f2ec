/** Tests that some machines cannot run. */

/** `test`, or one that is skipped; `npm test` shows the reason, which the title ends with. */
export function testWhere(
  condition: boolean,
  otherwise: string,
): (title: string, body: () => unknown) => void {
  return condition
    ? (title, body) => test(title, body as () => Promise<void>)
    : (title, body) => test.skip(`${title} (skipped: ${otherwise})`, body as () => Promise<void>);
}
