import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on

/** The processes that one has started, and those that they have, with what each has taken so far. */
export function descendants(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(read);
  const found = [];
  let parents = [root];
  while (parents.length > 0) {
    const children = all.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map(({ pid }) => pid);
  }
  return found.map((each) => ({ ...each, isLeaf: all.every(({ parent }) => parent !== each.pid) }));
}

/** None where it has ended meanwhile. */
function read(pid) {
  try {
    // Its name may have spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [parent, user, system] = [1, 11, 12].map((index) => Number(fields[index]));
    const peak = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+) kB/m);
    return [
      {
        pid: Number(pid),
        parent,
        cpuSeconds: (user + system) / TICKS_PER_SECOND,
        peakBytes: peak ? 1024 * Number(peak[1]) : 0,
      },
    ];
  } catch {
    return [];
  }
}
