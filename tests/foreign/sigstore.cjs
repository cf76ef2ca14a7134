// Reads one JSON document from standard input: a log's key and checkpoint, and entries with
// their proofs. Has Sigstore's own verifier judge them, and prints the checkpoint's size or
// ends with 1 and the reason. The first argument is where @sigstore/verify was installed.
const { createPublicKey } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

const theirs = createRequire(join(process.argv[2], 'package.json'));
const { verifyCheckpoint } = theirs('@sigstore/verify/dist/tlog/checkpoint.js');
const { verifyMerkleInclusion } = theirs('@sigstore/verify/dist/tlog/merkle.js');

const given = JSON.parse(readFileSync(0, 'utf8'));
const log = {
  logID: Buffer.from(given.keyID, 'base64'),
  baseURL: given.origin,
  publicKey: createPublicKey({ key: Buffer.from(given.key, 'base64'), format: 'der', type: 'spki' }),
};
try {
  const claim = { checkpoint: { envelope: given.checkpoint } };
  const checkpoint = verifyCheckpoint({ inclusionProof: claim }, [log]);
  for (const { index, entry, proof } of given.entries) {
    const hashes = proof.map((hash) => Buffer.from(hash, 'base64'));
    verifyMerkleInclusion(
      {
        inclusionProof: { logIndex: String(index), hashes },
        canonicalizedBody: Buffer.from(entry, 'base64'),
      },
      checkpoint,
    );
  }
  console.log(String(checkpoint.logSize));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
