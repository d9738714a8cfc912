class FrameError extends Error { constructor(m) { super(m); this.name = 'FrameError'; } }
function decodeUplink(input) { throw new FrameError('bad'); }
