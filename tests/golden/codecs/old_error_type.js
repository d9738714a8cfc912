function CodecError(m) { this.message = m; this.name = 'CodecError'; }
CodecError.prototype = Object.create(Error.prototype);
CodecError.prototype.constructor = CodecError;
CodecError.prototype.toString = function () { return 'x'; };
function decodeUplink(input) { try { throw new CodecError('bad'); } catch (e) { return { data: { e: e.name, t: String(e), i: e instanceof Error } }; } }
