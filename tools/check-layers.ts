/**
 * `npm run layers`: imports, circles, sizes, names and dead files. Another project's root may be given as the only parameter.
 */

import { checkLayers, runCheck } from './house-checks.ts'

runCheck('layers', checkLayers, process.argv[2])
