/**
 * `npm run dead-code`: exports and members of classes that nobody uses. Another project's root may be given as the only parameter.
 */

import { checkDeadCode, runCheck } from './house-checks.ts'

runCheck('dead code', checkDeadCode, process.argv[2])
