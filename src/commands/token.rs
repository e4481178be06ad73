//! `barograph token`: a random token for the page, in a file that only its owner can read.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

use barograph_actors::exit_code;

use crate::commands::args::TokenArgs;
use crate::exit::Failed;

/// Random bytes of a token: as many as an attacker cannot try.
const TOKEN_BYTES: usize = 32;

/// Prints a token, or makes a file that holds it. An existing file is not changed.
///
/// # Errors
/// The file exists already, or cannot be made.
pub fn token(args: &TokenArgs) -> Result<i32, Failed> {
    let token = hexadecimal(&rand::random::<[u8; TOKEN_BYTES]>());
    let Some(path) = &args.file else {
        println!("{token}");
        return Ok(exit_code::OK);
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written =
        file.and_then(|mut file| writeln!(file, "{token}").and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(exit_code::OK),
        Err(error) => {
            let path = path.display();
            let message = if error.kind() == ErrorKind::AlreadyExists {
                format!("{path} exists already; remove it first to replace its token")
            } else {
                format!("{path} cannot be written: {error}")
            };
            Err(Failed { code: exit_code::CANNOT_CREATE, message })
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn file_with_a_token_is_made_for_its_owner_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let args = TokenArgs { file: Some(path.clone()) };
        assert_eq!(token(&args).unwrap(), exit_code::OK);
        let text = fs::read_to_string(&path).unwrap();
        let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(text.len() == 65 && text.trim_end().chars().all(hexadecimal), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = token(&args).unwrap_err();
        assert_eq!(refused.code, exit_code::CANNOT_CREATE);
        assert!(refused.message.contains("exists already"), "{}", refused.message);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(hexadecimal(&[0, 10, 255]), "000aff");
    }
}
