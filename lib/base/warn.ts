const warned = new Set<string>();

/**
 * Warns in Node's own way, once per process and code: printed on standard error, unless Node runs with --no-warnings, and
 * told to `process.on('warning')` with the type MarginCoreWarning and the code MARGINCORE_…
 */
export function warnOnce(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(message, { type: 'MarginCoreWarning', code: `MARGINCORE_${code}` });
}
