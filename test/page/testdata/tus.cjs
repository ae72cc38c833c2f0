// Uploads one file with tus-js-client. Its argument is JSON: file, endpoint,
// token, metadata, url (of an upload to go on with, or ''), chunkSize (0: all at
// once) and uploadDataDuringCreation. On stdout, one JSON object a line: each
// request with its offset, and at the end the address of the upload.
const fs = require('fs');
const tus = require('tus-js-client');

const { file, endpoint, token, metadata, url, chunkSize, uploadDataDuringCreation } = JSON.parse(process.argv[2]);
const tell = (what) => fs.writeSync(1, `${JSON.stringify(what)}\n`);

const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  uploadUrl: url || null,
  metadata,
  chunkSize: chunkSize || Infinity,
  uploadSize: fs.statSync(file).size,
  uploadDataDuringCreation,
  headers: { Authorization: `Bearer ${token}` },
  retryDelays: Array(50).fill(100),
  storeFingerprintForResuming: false,
  onBeforeRequest: (request) => tell({ method: request.getMethod(), offset: Number(request.getHeader('Upload-Offset') || 0) }),
  onUploadUrlAvailable: () => tell({ url: upload.url }),
  onSuccess: () => tell({ url: upload.url, done: true }),
  onError: (error) => {
    process.stderr.write(`${error}\n`);
    process.exitCode = 1;
  },
});
upload.start();
