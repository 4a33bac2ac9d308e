// The post step of action.yml: removes what the main step has left for the job.
'use strict';

const fs = require('node:fs');

if (process.env.STATE_folder) fs.rmSync(process.env.STATE_folder, { recursive: true, force: true });
