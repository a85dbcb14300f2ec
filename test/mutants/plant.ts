/** Writes faults into the text of a source file. */
import { createHash } from 'node:crypto';
import type { Fault } from './fault.js';

/** Where the fault goes. Throws unless its pattern stands in the text exactly once: the table follows the sources. */
export function placeOf(text: string, { name, file, find }: Fault): number {
  const found = text.split(find).length - 1;
  if (found === 1) return text.indexOf(find);
  throw new Error(`${name}: expected its pattern once in ${file}, found it ${found} times:\n${find}`);
}

/** The text with this fault. */
export function withFault(text: string, fault: Fault): string {
  const at = placeOf(text, fault);
  return text.slice(0, at) + fault.replace + text.slice(at + fault.find.length);
}

/**
 * C++ with all of these faults, each in force only where the program was started with its number: so that one build
 * serves them all.
 * @param faults Of this file
 */
export function withChoices(text: string, faults: readonly Fault[]): string {
  const places = faults.map((fault) => ({ fault, at: placeOf(text, fault) })).sort((a, b) => a.at - b.at);
  let result = '#include "base/mutant.h"\n';
  let done = 0;
  for (const { fault, at } of places) {
    if (at < done) throw new Error(`${fault.name}: its pattern overlaps another's in ${fault.file}`);
    result += text.slice(done, at) + choice(fault);
    done = at + fault.find.length;
  }
  return result + text.slice(done);
}

/** Statements end with a semicolon; all else is an expression. */
function choice(fault: Fault): string {
  const { find, replace } = fault;
  const number = numberOf(fault);
  return find.endsWith(';')
    ? `{ if (::margincore::mutant(${number})) { ${replace} } else { ${find} } }`
    : `(::margincore::mutant(${number}) ? (${replace}) : (${find}))`;
}

/** By its name, from 1: a row more or less changes nothing of what was built for the others. */
export function numberOf({ name }: Pick<Fault, 'name'>): number {
  return 1 + (createHash('sha256').update(name).digest().readUInt32BE() >>> 2);
}

/** The environment variable with the number of the fault in force. */
export const CHOSEN = 'MARGINCORE_MUTANT';

/** native/base/mutant.h of a tree with faults: every object file reads the number once, and has its own copy of it. */
export const MUTANT_HEADER = `#pragma once
#include <cstdlib>
namespace margincore {
[[maybe_unused]] static const int chosen_mutant =
    std::getenv("${CHOSEN}") != nullptr ? std::atoi(std::getenv("${CHOSEN}")) : 0;
[[maybe_unused, gnu::always_inline]] static inline bool mutant(int number) { return number == chosen_mutant; }
}  // namespace margincore
`;
