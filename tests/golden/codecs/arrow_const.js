const u16 = (b, i) => (b[i] << 8) | b[i + 1];
const decodeUplink = ({ bytes, fPort }) => ({ data: { pm: u16(bytes, 0) / 10, port: fPort } });
