//! The server a TLS connection asks for, from the first bytes of its ClientHello (RFC 8446, 4.1.2; RFC 6066, 3).
//!
//! Walked by hand: the kernel hands over the first kilobytes only, post-quantum key shares alone take 1.2 KiB, and
//! tls-parser gives nothing for a record that is not whole. The bias: a name is given only if it is valid; whether it was
//! cut off is told apart from whether it was absent.

/// Longest name that is accepted.
const MAX_NAME: usize = 255;
/// Application protocols that are kept. Clients offer two or three.
const MAX_ALPN: usize = 16;

/// What a ClientHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// server_name, lower case; none if it carries none. With `ech`, that of the public server in front.
    pub name: Option<String>,
    /// Application protocols offered, the client's favourite first.
    pub alpn: Vec<String>,
    /// An encrypted ClientHello is offered, in earnest or as grease, which cannot be told apart.
    pub ech: bool,
    /// The bytes ended before the hello did: `alpn` and `ech` may be incomplete.
    pub cut: bool,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClientHello {
    /// The bytes do not begin with a TLS handshake record that holds a ClientHello.
    #[error("not TLS")]
    NotTls,
    /// The bytes end before the server name, if there is one.
    #[error("the ClientHello is cut off before the server name")]
    Cut,
    /// A length or a name that cannot be.
    #[error("a malformed ClientHello")]
    Malformed,
}

/// Reads the first bytes a client sent on a connection.
///
/// # Errors
/// When there is no ClientHello, or nothing can be said from what is there.
pub fn client_hello(bytes: &[u8]) -> Result<ClientHello, NoClientHello> {
    let handshake = handshake(bytes)?;
    let mut reader = Reader { rest: &handshake };
    if reader.u8()? != 1 {
        return Err(NoClientHello::NotTls);
    }
    // The length of the message is not needed: what counts is what is there.
    let length = reader.u8().and_then(|high| Ok(usize::from(high) << 16 | reader.u16()?))?;
    let cut = reader.rest.len() < length;
    reader.rest = &reader.rest[..reader.rest.len().min(length)];
    let short = if cut { NoClientHello::Cut } else { NoClientHello::Malformed };
    let mut hello = ClientHello { cut, ..ClientHello::default() };
    match extensions(&mut reader, &mut hello) {
        Ok(()) => Ok(hello),
        Err(NoClientHello::Cut) if cut && hello.name.is_some() => Ok(hello),
        Err(NoClientHello::Cut) => Err(short),
        Err(other) => Err(other),
    }
}

/// The handshake bytes of the leading records, joined, as far as they are there.
fn handshake(bytes: &[u8]) -> Result<Vec<u8>, NoClientHello> {
    let mut joined = Vec::new();
    let mut rest = bytes;
    while let Some((&kind, tail)) = rest.split_first() {
        let (major, length) = (tail.first(), tail.get(2..4));
        if kind != 22 || major.is_some_and(|major| *major != 3) {
            break;
        }
        let Some(length) = length else { break };
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        let payload = &tail[4..];
        joined.extend_from_slice(&payload[..payload.len().min(length)]);
        rest = payload.get(length..).unwrap_or_default();
    }
    match (joined.is_empty(), bytes) {
        (false, _) => Ok(joined),
        (true, [] | [22] | [22, 3] | [22, 3, _] | [22, 3, _, _] | [22, 3, _, _, _]) => {
            Err(NoClientHello::Cut)
        }
        (true, _) => Err(NoClientHello::NotTls),
    }
}

/// Reads from the version on.
fn extensions(reader: &mut Reader<'_>, hello: &mut ClientHello) -> Result<(), NoClientHello> {
    reader.take(2 + 32)?;
    let session = reader.u8()?;
    reader.take(session.into())?;
    let suites = reader.u16()?;
    reader.take(suites)?;
    let compressions = reader.u8()?;
    reader.take(compressions.into())?;
    if reader.rest.is_empty() && !hello.cut {
        return Ok(());
    }
    let length = reader.u16()?;
    reader.rest = &reader.rest[..reader.rest.len().min(length)];
    while !reader.rest.is_empty() {
        let kind = reader.u16()?;
        let length = reader.u16()?;
        let mut body = Reader { rest: &reader.rest[..reader.rest.len().min(length)] };
        match kind {
            0 => hello.name = Some(server_name(&mut body)?),
            16 => alpn(&mut body, &mut hello.alpn),
            0xfe0d => hello.ech = true,
            _ => {}
        }
        reader.take(length)?;
    }
    if hello.cut && hello.name.is_none() { Err(NoClientHello::Cut) } else { Ok(()) }
}

/// The name; there is one entry, of type host_name, in all hellos there are.
fn server_name(reader: &mut Reader<'_>) -> Result<String, NoClientHello> {
    reader.u16()?;
    if reader.u8()? != 0 {
        return Err(NoClientHello::Malformed);
    }
    let length = reader.u16()?;
    let name = reader.take(length)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let clean = String::from_utf8_lossy(name).trim_end_matches('.').to_ascii_lowercase();
    if clean.is_empty() || clean.len() > MAX_NAME || !clean.bytes().all(allowed) {
        return Err(NoClientHello::Malformed);
    }
    Ok(clean)
}

/// The protocols, as far as they are there; names that are not printable (grease) are left out.
fn alpn(reader: &mut Reader<'_>, protocols: &mut Vec<String>) {
    if reader.u16().is_err() {
        return;
    }
    while protocols.len() < MAX_ALPN
        && let Ok(length) = reader.u8()
        && let Ok(name) = reader.take(length.into())
    {
        if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
            protocols.push(String::from_utf8_lossy(name).into_owned());
        }
    }
}

/// Takes bytes from the front; running out is [`NoClientHello::Cut`].
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], NoClientHello> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(NoClientHello::Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, NoClientHello> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Result<usize, NoClientHello> {
        self.take(2).map(|bytes| usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }
}

#[cfg(test)]
mod tests;
