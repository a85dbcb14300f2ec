/** TypeScript 7 has no interface for other programs: what asks for TypeScript gets version 6, which lies beside it. */
import { register } from 'node:module';

register('./resolve.mjs', import.meta.url);
