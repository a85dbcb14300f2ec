import * as margincore from 'margincore';
import use from './use.cjs';

await use(margincore);
