function set(v) { this.shared = v; }
function decodeUplink(input) { set(input.bytes[0]); return { data: { v: shared } }; }
