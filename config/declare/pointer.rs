//! JSON pointers, and the bare names of fields that stand for them.

/// A JSON pointer (RFC 6901) from a pointer, or from the bare name of a field.
///
/// # Errors
///
/// Says what is wrong with a pointer; a bare name always makes one.
pub(crate) fn pointer(field: &str) -> Result<String, &'static str> {
    if field.is_empty() {
        return Ok(String::new());
    }
    if !field.starts_with('/') {
        return Ok(format!("/{}", field.replace('~', "~0").replace('/', "~1")));
    }
    let mut characters = field.chars();
    while let Some(c) = characters.next() {
        if c == '~' && !matches!(characters.next(), Some('0' | '1')) {
            return Err(
                "expected a JSON pointer, in which `~` is written ~0, and a `/` within a name ~1",
            );
        }
    }
    Ok(field.to_owned())
}

/// The shortest way to write a pointer: a bare name where that is one.
pub(crate) fn print_pointer(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some(name) if !name.is_empty() && !name.contains(['/', '~']) => name,
        Some(_) | None => pointer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pointers_are_made_of_bare_names_and_checked_otherwise() {
        assert_eq!(pointer("utc"), Ok("/utc".to_owned()));
        assert_eq!(pointer(""), Ok(String::new()));
        assert_eq!(pointer("a/b~c"), Ok("/a~1b~0c".to_owned()));
        assert_eq!(pointer("/a/0/b~1c"), Ok("/a/0/b~1c".to_owned()));
        assert!(pointer("/a~").is_err());
        assert!(pointer("/a~2").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn bare_name_finds_its_field(name in "[^/].{0,8}") {
            let object = serde_json::json!({ name.clone(): 7 });
            let pointer = pointer(&name).unwrap();
            prop_assert_eq!(object.pointer(&pointer), Some(&serde_json::json!(7)));
        }

        #[test]
        fn printed_pointer_reads_as_itself(field in "[/~a01]{0,6}") {
            if let Ok(read) = pointer(&field) {
                prop_assert_eq!(pointer(print_pointer(&read)), Ok(read.clone()));
            }
        }
    }
}
