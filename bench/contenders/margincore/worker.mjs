// One job with margincore, through its public interface only, except for the head alone: of that the public headLoss()
// gives no time.
import addon from '../../../dist/lib/native/load.js';
import protocol from '../../shared/protocol.cjs';
import { headAlone } from './headAlone.mjs';
import { inference } from './inference.mjs';
import { startup, throughput } from './training.mjs';

const job = protocol.job();
const environment = await { throughput, startup, inference, head: headAlone }[job.measure](job);
protocol.report('version', { name: 'margincore', version: addon.native().version, environment });
