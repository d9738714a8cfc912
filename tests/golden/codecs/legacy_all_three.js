function decodeUplink(input) { return { data: Decode(input.fPort, input.bytes) }; }
function Decode(fPort, bytes) { return read(bytes); }
function Decoder(bytes, port) { return read(bytes); }
function read(bytes) { return { b: bytes[0] }; }
