/** node dist/test/docs/writeDocs.js: writes docs/options.md and docs/errors.md anew. */
import { writeFileSync } from 'node:fs';
import * as errors from './errorDocs.js';
import * as options from './optionDocs.js';

writeFileSync(options.FILE, options.optionDocs());
writeFileSync(errors.FILE, errors.errorDocs());
